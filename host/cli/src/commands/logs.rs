//! `logs`: the lines of a running host's log, as text or JSON.

use super::{host, plain_json, print_bytes};
use crate::args;
use crate::client::ClientError;
use crate::console::Console;
use crate::exit::{Exit, FAILED};
use playhouse_runtime::control::protocol::{LogsRequest, Request, Response, decode_log, decode_response};
use playhouse_runtime::printable::counted;
use playhouse_runtime::{LogFormat, LogLine};

/// The number of lines with which `-f` begins.
const FIRST_LINES: u64 = 10;

/// Prints the lines. The end of the play is the end of them, and no failure.
pub(crate) fn logs(args: &args::Logs, console: &Console) -> Result<(), Exit> {
    let begins = args.lines.or_else(|| (args.follow && args.since.is_none()).then_some(FIRST_LINES));
    let request = Request::Logs(LogsRequest {
        actors: args.actors.iter().map(ToString::to_string).collect(),
        flow: args.flow.clone(),
        level: args.level.clone(),
        since_ms: args.since.map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        lines: begins,
        follow: args.follow,
    });
    let printed = host::connect(&args.host)?.stream(&request, |lines| {
        let batch = Batch::of(lines, args.json)?;
        print_bytes(batch.text.as_bytes()).map_err(Failure::Print)?;
        if let Some(lost) = batch.lost.filter(|_| !args.json) {
            console.print(&format!("playhouse: {} lost: they were read too slowly", counted(lost, "line")));
        }
        Ok(batch.is_last)
    });
    printed.map_err(|failure| match failure {
        Failure::Print(exit) => exit,
        Failure::Host(ClientError::Gone) => {
            let why = "it ended at once, or this reader was too slow and others waited for its place";
            Exit::with(FAILED, format!("the host closed the connection before the end of the log: {why}"))
        }
        Failure::Host(error) => error.into(),
    })
}

/// The reason why no more lines are printed.
enum Failure {
    Print(Exit),
    Host(ClientError),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Host(error)
    }
}

/// Lines of a host that came together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Batch {
    /// The lines to print.
    text: String,
    /// The number of lines that were lost.
    lost: Option<u64>,
    is_last: bool,
}

impl Batch {
    fn of(lines: &[u8], json: bool) -> Result<Self, ClientError> {
        let mut batch = Self::default();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let nonsense = |error: serde_json::Error| ClientError::Nonsense(error.to_string());
            if let Some(event) = decode_log(line) {
                batch.add(&if json {
                    plain_json(event)
                } else {
                    LogLine::of_json(event).map_err(nonsense)?.shown(LogFormat::Text)
                });
                continue;
            }
            match decode_response(line).map_err(nonsense)? {
                Response::Lost { lines } => {
                    *batch.lost.get_or_insert_default() += lines;
                    if json {
                        batch.add(&format!("{{\"lost\":{lines}}}"));
                    }
                }
                Response::Working {} => {}
                Response::End { .. } => batch.is_last = true,
                Response::Error(refusal) => return Err(refusal.into()),
                other => return Err(host::nonsense(&other)),
            }
        }
        Ok(batch)
    }

    fn add(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] =
        b"{\"v\":1,\"log\":{\"time\":\"2026-11-22T16:46:00.123Z\",\"level\":\"warn\",\"target\":\"playhouse\",\
\"actor\":\"/a\",\"message\":\"\\u001b[31m\\nred \xc2\x9b\",\"hops\":3}}\n{\"v\":1,\"lost\":{\"lines\":7}}\n\
{\"v\":1,\"working\":{}}\n{\"v\":1,\"end\":{\"stopped\":true}}\n";

    #[test]
    fn text_is_the_line_of_stderr_with_escapes() {
        let batch = Batch::of(LINES, false).expect("sound");
        let text = "2026-11-22T16:46:00.123Z WARN /a \\u{1b}[31m\\nred \\u{9b}\thops=3\n";
        assert_eq!(batch, Batch { text: text.to_owned(), lost: Some(7), is_last: true });
    }

    #[test]
    fn json_is_the_object_of_the_host_with_escapes() {
        let batch = Batch::of(LINES, true).expect("sound");
        let text = "{\"time\":\"2026-11-22T16:46:00.123Z\",\"level\":\"warn\",\"target\":\"playhouse\",\"actor\":\"/a\",\
\"message\":\"\\u001b[31m\\nred \\u009b\",\"hops\":3}\n{\"lost\":7}\n";
        assert_eq!(batch.text, text);
    }

    #[test]
    fn refusal_in_the_stream_is_an_error() {
        let line = b"{\"v\":1,\"error\":{\"kind\":\"busy\",\"message\":\"16 others\"}}\n";
        assert!(matches!(Batch::of(line, false), Err(ClientError::Refused(refusal)) if refusal.kind == "busy"));
        assert!(matches!(Batch::of(b"HTTP/1.1 400\n", false), Err(ClientError::Nonsense(_))));
    }
}
