//! The outlet of a sink that appends to a file.

use std::path::PathBuf;

use playhouse_kernel::BoxFuture;

use super::append::{Appended, Frame, Rotation, line};
use crate::broker::BrokerError;
use crate::sink::{Delivered, Delivery, Outgoing, Outlet, Trouble};

/// The settings of a sink that appends to a file.
#[derive(Debug, Clone)]
pub struct FileSinkSettings {
    /// The file.
    pub path: PathBuf,
    /// The form of a message.
    pub frame: Frame,
    /// When the file is rotated; `None`: never.
    pub rotation: Option<Rotation>,
    /// Whether a message has ended only when it is on the disk.
    pub sync: bool,
}

/// Appends messages to a file.
pub struct FileOutlet(FileSinkSettings);

impl FileOutlet {
    /// The outlet to this file, which is opened for the first message.
    pub fn new(settings: FileSinkSettings) -> Self {
        Self(settings)
    }
}

impl Outlet for FileOutlet {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Delivery>, BrokerError>> {
        let FileSinkSettings { path, frame, rotation, sync } = self.0.clone();
        Box::pin(async move {
            let shown = path.display().to_string();
            let opened = blocking(move || Appended::open(&path, rotation, sync)).await;
            let file = opened.map_err(|error| BrokerError::plain(format!("cannot open {shown}: {error}")))?;
            Ok(Box::new(FileDelivery { file: Some(file), frame }) as Box<dyn Delivery>)
        })
    }
}

struct FileDelivery {
    /// With the thread that writes, until that has ended.
    file: Option<Appended>,
    frame: Frame,
}

impl Delivery for FileDelivery {
    fn deliver<'a>(&'a mut self, messages: &'a [Outgoing]) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            let (mut lines, mut trouble) = (Vec::new(), None);
            for message in messages {
                match line(message, self.frame) {
                    Ok(line) => lines.push(line),
                    Err(why) => {
                        trouble = Some(Trouble::Never(why));
                        break;
                    }
                }
            }
            let Some(mut file) = self.file.take() else {
                // The last delivery was dropped while its thread wrote.
                let trouble = Some(Trouble::Broken(BrokerError::plain("the last write has not ended")));
                return Delivered { trouble, ..Delivered::default() };
            };
            let wrote = blocking(move || {
                let written = file.append(&lines);
                Ok((file, written))
            });
            match wrote.await {
                Ok((file, written)) => {
                    self.file = Some(file);
                    // A disk that is full, or a file that cannot be rotated, refuses the line: it is tried again, and is a letter
                    // at last.
                    let refused = written.error.map(|error| Trouble::Refused(format!("cannot write: {error}")));
                    Delivered { accepted: written.lines, repeated: 0, trouble: refused.or(trouble) }
                }
                Err(error) => {
                    let trouble = Some(Trouble::Broken(BrokerError::plain(error.to_string())));
                    Delivered { trouble, ..Delivered::default() }
                }
            }
        })
    }
}

/// Runs a function on a thread that may block.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
