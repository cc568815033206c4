//! `playhouse tree --watch`: the actors again and again. On a terminal each frame is drawn over the one before; elsewhere one tree
//! follows the other, so that a program reads a stream of them.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use playhouse_runtime::control::views::Tree;
use tokio::signal::unix::{SignalKind, signal};

use super::host::connect;
use super::{print, print_json_line, tree};
use crate::args;
use crate::client::{Client, ClientError};
use crate::exit::{Exit, FAILED, NO_HOST};

/// Time that a frame has to be written after Ctrl-C: a reader of stdout may read no more.
const LAST_FRAME: Duration = Duration::from_secs(1);
/// The size of a terminal that does not say its own.
const COLUMNS_AND_ROWS: (usize, usize) = (80, 24);

/// Shows the actors until Ctrl-C, or until the host ends.
pub(crate) fn watch(args: &args::Tree, interval: Duration) -> Result<(), Exit> {
    let interrupted = interrupts().map_err(|error| Exit::with(FAILED, format!("cannot wait for Ctrl-C: {error}")))?;
    let (mut client, drawn) = (connect(&args.look.host)?, !args.look.json && std::io::stdout().is_terminal());
    let mut first = true;
    loop {
        let began = Instant::now();
        let tree = read(&mut client, args)?;
        if args.look.json {
            print_json_line(&tree)?;
        } else if drawn {
            let start = if first { "\u{1b}[2J" } else { "" };
            print(&format!("{start}{}", frame(&tree::shown(tree), size())))?;
        } else {
            let gap = if first { "" } else { "\n" };
            print(&format!("{gap}{}", tree::shown(tree)))?;
        }
        first = false;
        match interrupted.recv_timeout(interval.saturating_sub(began.elapsed())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The actors now. A host that closed the connection may have been replaced by another one in the meantime.
fn read(client: &mut Client, args: &args::Tree) -> Result<Tree, Exit> {
    let ended = || {
        Exit::with(NO_HOST, format!("the host ended: none listens on `{}` any more", args.look.host.socket.display()))
    };
    match tree::read(client) {
        Err(ClientError::Gone) => {}
        read => return read?,
    }
    match connect(&args.look.host).and_then(|again| {
        *client = again;
        tree::read(client)
    }) {
        Err(ClientError::Gone | ClientError::NoHost(_)) => Err(ended()),
        read => read?,
    }
}

/// A message for each Ctrl-C. When it is not heeded in time, the process ends, with exit code 0 as well.
fn interrupts() -> std::io::Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut interrupt = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    std::thread::Builder::new().name("playhouse-signals".to_owned()).spawn(move || {
        runtime.block_on(interrupt.recv());
        let _ = sender.send(());
        std::thread::sleep(LAST_FRAME);
        std::process::exit(0);
    })?;
    Ok(receiver)
}

/// The columns and rows of the terminal.
fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or(COLUMNS_AND_ROWS, |size| (size.ws_col.into(), size.ws_row.into()))
}

/// The text as a terminal of this size shows it from its first cell: lines are cut, and what does not fit is counted.
fn frame(text: &str, (columns, rows): (usize, usize)) -> String {
    let lines: Vec<&str> = text.lines().collect();
    // The last row is the cursor's.
    let space = rows.saturating_sub(1).max(1);
    let shown = if lines.len() > space { space - 1 } else { lines.len() };
    let more = lines.len() - shown;
    let last = (more > 0).then(|| format!("{more} more lines: `playhouse tree` prints them all"));
    // A character may be wider than a cell, so that the terminal cuts lines as well; it wraps lines again behind the frame.
    let mut out = String::from("\u{1b}[H\u{1b}[?7l");
    for line in lines[..shown].iter().copied().chain(last.as_deref()) {
        let cut: String = line.chars().take(columns).collect();
        let _ = writeln!(out, "{cut}\u{1b}[K");
    }
    out.push_str("\u{1b}[J\u{1b}[?7h");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that a frame shows.
    fn lines(frame: &str) -> Vec<&str> {
        let inside = frame.strip_prefix("\u{1b}[H\u{1b}[?7l").and_then(|rest| rest.strip_suffix("\u{1b}[J\u{1b}[?7h"));
        inside.expect("a frame").split_terminator("\u{1b}[K\n").collect()
    }

    #[test]
    fn frame_fits_into_a_small_terminal() {
        let text: String = (0..100).map(|n| format!("{n} {}\n", "wide ".repeat(40))).collect();
        let frame = frame(&text, (80, 24));
        let lines = lines(&frame);
        assert_eq!(lines.len(), 23);
        assert!(lines.iter().all(|line| line.chars().count() <= 80));
        assert_eq!(lines[22], "78 more lines: `playhouse tree` prints them all");
    }

    #[test]
    fn frame_of_a_short_text_shows_all_of_it() {
        assert_eq!(lines(&frame("a\nb\n", (80, 3))), ["a", "b"]);
        assert_eq!(lines(&frame("a\nb\nc\n", (80, 3))), ["a", "2 more lines: `playhouse tree` prints them all"]);
        assert_eq!(lines(&frame("long\n", (2, 1))), ["lo"]);
    }
}
