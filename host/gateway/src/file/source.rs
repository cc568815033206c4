//! The supply of a source that follows a file. The state is kept beside the connection, so that a source that starts again goes on
//! where it was: its lines that have not ended come again.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use playhouse_kernel::{BoxFuture, MessageId, Metadata, StoredOrigin};

use super::mark::{BEGUN, Mark, part_of};
use super::opened::{Found, From};
use super::tail::Tail;
use crate::broker::BrokerError;
use crate::source::{Connected, Handle, Place, Supplier, Supply, Taken};

/// Time between two looks at the file.
const LOOK: Duration = Duration::from_millis(200);
/// Time after which a pull without lines returns.
const PULL: Duration = Duration::from_secs(5);

/// The settings of a source that follows a file.
#[derive(Debug, Clone)]
pub struct FileSourceSettings {
    /// The file.
    pub path: PathBuf,
    /// Where to begin.
    pub from: From,
    /// The longest line that is delivered. Of a longer one, a dead letter has the first bytes.
    pub most_bytes: usize,
}

/// Supplies the lines of a file.
pub struct FileSupply(Arc<Mutex<State>>);

/// The lines that were read and have not ended.
struct State {
    path: PathBuf,
    tail: Tail,
    /// Lines that are to be pulled, by their number.
    ready: BTreeMap<u64, Taken>,
    /// Lines that were pulled, by their handles.
    pulled: HashMap<Handle, (u64, Taken)>,
    last_number: u64,
    /// Whether places are kept, and that the source has begun is to be kept.
    keeps: Option<bool>,
}

impl FileSupply {
    /// The supply of this file. Nothing is opened before the first connection.
    pub fn new(settings: FileSourceSettings) -> Self {
        let FileSourceSettings { path, from, most_bytes } = settings;
        let tail = Tail::new(path.clone(), from, most_bytes);
        let (ready, pulled) = (BTreeMap::new(), HashMap::new());
        Self(Arc::new(Mutex::new(State { path, tail, ready, pulled, last_number: 0, keeps: None })))
    }
}

impl Supply for FileSupply {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Connected, BrokerError>> {
        let state = self.0.clone();
        Box::pin(async move {
            state.lock().take_back_all();
            // The first look finds the place to begin at, so that later lines count although no message was pulled.
            look(&state, 0).await?;
            let supplier: Arc<dyn Supplier> = Arc::new(FileSupplier(state));
            Ok(Connected { supplier, max_deliver: None, keep_alive: None, in_flight: None })
        })
    }

    fn origin(&self) -> String {
        self.0.lock().path.display().to_string()
    }

    fn is_in_order(&self) -> bool {
        true
    }

    fn go_on(&self, places: &[StoredOrigin]) {
        self.0.lock().go_on(places);
    }
}

struct FileSupplier(Arc<Mutex<State>>);

impl Supplier for FileSupplier {
    fn pull(&self, most: usize) -> BoxFuture<'_, Result<Vec<Taken>, BrokerError>> {
        Box::pin(async move {
            let until = Instant::now() + PULL;
            loop {
                // Lines that a look has read stay in the state until here: a pull may be dropped at any wait.
                let taken = self.0.lock().pull(most);
                if !taken.is_empty() || Instant::now() >= until {
                    return Ok(taken);
                }
                if look(&self.0, most).await? == 0 {
                    tokio::time::sleep(LOOK).await;
                }
            }
        })
    }

    fn keep_alive<'a>(&'a self, _: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async { Ok(()) })
    }

    fn ack<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        let mut state = self.0.lock();
        for handle in handles {
            state.pulled.remove(handle);
        }
        Box::pin(async { Ok(()) })
    }

    fn first_places(&self) -> Vec<Place> {
        let mut state = self.0.lock();
        let begun = state.keeps.replace(false).filter(|is_new| *is_new);
        let begun = begun.map(|_| Place { part: BEGUN.into(), value: Vec::new() });
        let new = state.tail.new_marks().into_iter().map(|mark| Place { part: mark.part(), value: mark.value() });
        // At the end: with it, a file without a place is read from its start.
        new.chain(begun).collect()
    }

    fn ended_parts(&self) -> Vec<Vec<u8>> {
        let State { tail, ready, pulled, .. } = &mut *self.0.lock();
        let left =
            || ready.values().chain(pulled.values().map(|(_, taken)| taken)).filter_map(|taken| taken.place.as_ref());
        let ended = tail.take_ended(|key| left().any(|place| place.part == part_of(key)));
        ended.into_iter().map(part_of).collect()
    }

    fn give_back<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        let mut state = self.0.lock();
        for handle in handles {
            if let Some((number, taken)) = state.pulled.remove(handle) {
                state.ready.insert(number, taken);
            }
        }
        Box::pin(async { Ok(()) })
    }
}

/// Looks at the file once, on a thread that may block. Returns the number of lines that it found.
async fn look(state: &Arc<Mutex<State>>, most: usize) -> Result<usize, BrokerError> {
    let state = state.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let mut state = state.lock();
        let found = state.tail.poll(most, Instant::now());
        let path = state.tail.path().display().to_string();
        let found = found.map_err(|error| BrokerError::plain(format!("cannot read {path}: {error}")))?;
        let count = found.len();
        for found in found {
            state.add(found);
        }
        Ok(count)
    });
    looked.await.unwrap_or_else(|error| Err(BrokerError::plain(format!("the look at the file ended: {error}"))))
}

impl State {
    fn add(&mut self, found: Found) {
        self.last_number += 1;
        let Found { position, line, mark } = found;
        let mut metadata = Metadata::new();
        let place = [("file", self.tail.path().display().to_string()), ("offset", line.start.to_string())];
        let length = line.is_cut().then(|| ("length", line.length.to_string()));
        for (key, value) in place.into_iter().chain(length) {
            // A path that is too long for metadata is left out.
            let _ = metadata.push(key, &value);
        }
        let handle = Handle::from(position);
        let taken = Taken {
            id: MessageId::seeded(&handle, 0),
            position: handle.clone().into(),
            handle,
            flow: None,
            deliveries: 1,
            place: self.keeps.map(|_| Place { part: mark.part(), value: mark.value() }),
            fault: line
                .is_cut()
                .then(|| format!("the line has {} bytes; these are the first {}", line.length, line.bytes.len())),
            metadata,
            body: line.bytes.into(),
        };
        self.ready.insert(self.last_number, taken);
    }

    fn pull(&mut self, most: usize) -> Vec<Taken> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((number, next)) = self.ready.pop_first()
        {
            self.pulled.insert(next.handle.clone(), (number, next.clone()));
            taken.push(next);
        }
        taken
    }

    /// Lets the places be kept. At the first start of the source, goes on at those that are kept; later, leaves out the lines before them.
    fn go_on(&mut self, places: &[StoredOrigin]) {
        let marks: Vec<_> = places.iter().filter_map(Mark::read).collect();
        if self.keeps.is_none() {
            self.keeps = Some(places.iter().all(|place| place.position != BEGUN));
            self.tail.go_on(marks, self.keeps == Some(false));
            return;
        }
        self.take_back_all();
        let of = |place: &Place| Mark::read(&StoredOrigin { position: place.part.clone(), value: place.value.clone() });
        self.ready.retain(|_, taken| {
            let Some(mark) = taken.place.as_ref().and_then(of) else { return true };
            let kept = marks.iter().find(|kept| kept.key == mark.key);
            kept.is_none_or(|kept| (kept.truncations, kept.next) < (mark.truncations, mark.next))
        });
    }

    /// Lets all lines that were pulled and have not ended be pulled again.
    fn take_back_all(&mut self) {
        for (_, (number, taken)) in self.pulled.drain() {
            self.ready.insert(number, taken);
        }
    }
}
