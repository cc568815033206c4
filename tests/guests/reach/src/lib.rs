//! The guest for tests of grants: it uses an external resource as the message says, and replies with the result, or with
//! the error in one word.
//!
//! | message | effect and reply |
//! |---|---|
//! | `env` | its variables, sorted: `NAME=value` |
//! | `read P`, `list P` | the file, the sorted names in the folder |
//! | `write P TEXT`, `truncate P`, `make P`, `remove P`, `rename P Q`, `link P Q` | through `std::fs`; `link` is a hard link |
//! | `append P TEXT`, `resize P N`, `remove-folder P` | the same |
//! | `make-many P` | makes empty files in the folder until that fails: their number |
//! | `keep P`, `keep-many P`, `close` | keeps P open, once or as often as it can be opened; closes all of them |
//! | `symlink TARGET P` | P becomes a symbolic link; P is below the first folder |
//! | `touch P` | sets the times of P, below the first folder, of the link itself and of its target |
//! | `write-at-once P N` | writes N bytes to P below the first folder in one call: the number of bytes written |
//! | `long PART` | passes a path of a million such parts to each call: the errors |
//! | `stream-at P N` | writes a few bytes to P below the first folder, at an offset |
//! | `stream P TEXT` | appends to P below the first folder, through WASI |
//! | `get URL`, `follow URL` | status and body; `follow` follows each `location` |
//! | `with URL HEADER VALUE` | status and body, with a header in whose value `$NAME` stands for a variable |
//! | `drain URL` | the number of bytes of its body |
//! | `send METHOD URL [BODY]`, `raw SCHEME AUTHORITY PATH` | status and body, with the given parts |
//! | `hold URL`, `let-go` | sends a request without waiting: the number of such requests; drops all kept requests |
//! | `unsent PARTS BYTES COUNT` | makes requests whose parts, such as `path+trailers`, have BYTES bytes each |
//! | `connect ADDR`, `listen ADDR`, `lookup NAME` | through `std::net` |
//! | `spawn NAME` | spawns a child of the same plugin |
//! | `panic` | a crash |

#![allow(missing_docs)]

mod files;
mod unsent;
mod web;

use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

#[derive(Default)]
struct Reach {
    held: web::Held,
    unsent: unsent::Unsent,
    kept: files::Kept,
}

export_actor!(Reach);

impl Actor for Reach {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let text = msg.text()?;
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let done = match verb {
            "env" => Ok(env()),
            "panic" => panic!("as told"),
            "connect" | "listen" | "lookup" => net(verb, rest),
            "unsent" => self.unsent.act(rest),
            "let-go" => {
                self.unsent.let_go();
                self.held.act(verb, rest)
            }
            "get" | "drain" | "follow" | "with" | "send" | "raw" | "hold" => self.held.act(verb, rest),
            "spawn" => ctx.spawn(rest, "reach").map(|()| "done".to_owned()).map_err(|error| error.to_string()),
            _ => files::act(&mut self.kept, verb, rest),
        };
        ctx.reply(done.unwrap_or_else(|error| format!("error {error}")));
        Ok(())
    }
}

fn env() -> String {
    let mut variables: Vec<_> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    variables.sort();
    variables.join(" ")
}

fn net(verb: &str, to: &str) -> std::result::Result<String, String> {
    let done = match verb {
        "connect" => std::net::TcpStream::connect(to).map(drop),
        "listen" => std::net::TcpListener::bind(to).map(drop),
        _ => std::net::ToSocketAddrs::to_socket_addrs(to).map(drop),
    };
    done.map(|()| "done".to_owned()).map_err(|error| error.kind().to_string())
}
