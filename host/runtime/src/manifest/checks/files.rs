//! Sources and sinks of files, and sinks that post to a server.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use playhouse_gateway::file::{FileSinkSettings, FileSourceSettings, Frame, From, Rotation};
use playhouse_gateway::post::{PostError, check_url};
use playhouse_kernel::{ActorLimits, Address};
use toml::Spanned;

use super::findings::Checks;
use crate::manifest::play::{HttpTarget, PlayActor, SinkTarget, SourceOrigin};
use crate::manifest::problem::Problem;
use crate::manifest::schema::{FileFrame, Sink, Source, SourceFrom};
use crate::manifest::secrets::{HTTP_SCHEMES, UrlSettings};
use crate::printable::Printable;

/// Default of `keep` of a rotation.
pub(super) const KEEP: u32 = 5;
/// Default of `timeout` of a sink that posts.
const POST_TIME: Duration = Duration::from_secs(10);

impl Checks {
    /// A source that follows a file, and delivers lines of at most `most_bytes`.
    pub(super) fn file_source(&mut self, written: &Source, most_bytes: usize) -> Option<SourceOrigin> {
        let place = |written: Option<&Spanned<String>>| written.map(Spanned::span);
        self.not_of_kind(
            "file",
            [
                ("url", written.url.as_ref().map(Spanned::span)),
                ("stream", place(written.stream.as_ref())),
                ("meta", written.meta.as_ref().map(Spanned::span)),
                ("consumer", place(written.consumer.as_ref())),
                ("create", written.create.as_ref().map(Spanned::span)),
                ("subjects", written.subjects.as_ref().map(Spanned::span)),
                ("group", place(written.group.as_ref())),
                ("claim_after", written.claim_after.as_ref().map(Spanned::span)),
                ("dead", place(written.dead.as_ref())),
            ],
        );
        let path = self.file_path(written.path.as_ref(), &written.kind.span())?;
        let from = match written.from.as_ref().map(Spanned::get_ref) {
            None | Some(SourceFrom::New) => From::End,
            Some(SourceFrom::Start) => From::Start,
        };
        Some(SourceOrigin::File(FileSourceSettings { path, from, most_bytes }))
    }

    pub(super) fn file_sink(&mut self, written: &Sink) -> Option<SinkTarget> {
        let path = self.file_path(written.path.as_ref(), &written.kind.span())?;
        let frame = match written.frame.as_ref().map(Spanned::get_ref) {
            None | Some(FileFrame::Line) => Frame::Line,
            Some(FileFrame::Json) => Frame::Json,
        };
        let rotation = written.rotate.as_ref().map(Spanned::get_ref);
        let rotation =
            rotation.map(|rotate| Rotation { bytes: rotate.size.0, keep: rotate.keep.map_or(KEEP, |keep| keep.0) });
        let sync = written.sync.as_ref().is_none_or(|sync| *sync.get_ref());
        Some(SinkTarget::File(FileSinkSettings { path, frame, rotation, sync }))
    }

    pub(super) fn http_sink(&mut self, written: &Sink) -> Option<SinkTarget> {
        let auth = written.auth.as_ref();
        let bearer = auth.map(|auth| self.secret(&auth.get_ref().bearer));
        let url = self.broker_url(written.url.as_ref(), &written.kind.span(), &HTTP_SCHEMES)?;
        if let (UrlSettings::Plain(plain), Some(written)) = (&url, &written.url)
            && let Err(error) = check_url(plain.expose(), bearer.is_some())
        {
            self.add(match error {
                PostError::NotEncrypted(host) => {
                    let what = format!("the token would be sent to `{}` without encryption", Printable(&host));
                    let place = auth.map(Spanned::span).unwrap_or_default();
                    let problem = Problem::at(place, what, "here").and_at(written.span(), "not encrypted");
                    problem.help("write https:// in place of http://, or leave `auth` out; http:// is for a server on this machine")
                }
                error => Problem::at(written.span(), "this is no url of a server", "here").help(error.to_string()),
            });
            return None;
        }
        let timeout = self.above_zero(written.timeout.as_ref(), "timeout", POST_TIME);
        // A secret that is not declared is a problem already.
        Some(SinkTarget::Http(HttpTarget { url, timeout, bearer: bearer.flatten() }))
    }

    /// A file, relative to the manifest. It need not be there yet.
    fn file_path(&mut self, written: Option<&Spanned<String>>, kind: &Range<usize>) -> Option<PathBuf> {
        let path = self.needed(written, kind, "path", "orders.log")?;
        let path = self.beside.join(path);
        if path.is_dir() {
            let what = format!("`{}` is a folder", path.display());
            let place = written.map(Spanned::span).unwrap_or_default();
            self.add(Problem::at(place, what, "here").help("`path` is the name of a file"));
            return None;
        }
        Some(path)
    }
}

/// The largest message of a receiver: that of an actor of the manifest, or else the default.
pub(super) fn most_bytes(to: Option<&Address>, actors: &[PlayActor]) -> usize {
    let receiver = to.and_then(|to| actors.iter().find(|actor| actor.address == *to));
    receiver.map_or_else(|| ActorLimits::default().message_bytes, |actor| actor.settings.limits.message_bytes)
}
