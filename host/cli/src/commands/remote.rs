//! The commands that send requests about actors to a running host.

use std::io::{IsTerminal, Read};

use playhouse_runtime::Address;

use super::host::{connect, limit, nonsense, unexpected};
use super::tell_lines::tell_lines;
use super::{print, print_bytes};
use crate::args;
use crate::client::{Client, ClientError};
use crate::console::Console;
use crate::exit::{Exit, FAILED};
use playhouse_runtime::control::protocol::{Body, Request, Response};
use playhouse_runtime::printable::for_terminal;

/// Prints the state; an exit code of 1 says that it is not good.
pub(crate) fn health(args: &args::Health) -> Result<(), Exit> {
    match Client::connect_for(&args.host.socket, &Request::Health {})?.request(&Request::Health {})? {
        Response::Health { healthy, health, .. } if !healthy => Err(Exit::with(FAILED, health)),
        Response::Health { ready, readiness, .. } if args.ready && !ready => Err(Exit::with(FAILED, readiness)),
        Response::Health { readiness, .. } if args.ready => print(&format!("{readiness}\n")),
        Response::Health { health, .. } => print(&format!("{health}\n")),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn tell(args: &args::Tell, console: &Console) -> Result<(), Exit> {
    let mut client = connect(&args.host)?;
    if args.lines {
        return tell_lines(&mut client, &args.to, console);
    }
    let within = Request::Limit { to: args.to.clone() };
    let body = body(&mut client, &args.to, args.body.as_deref(), &within)?;
    tell_one(&mut client, &args.to, body, args.key.clone()).map_err(Exit::from)
}

fn tell_one(client: &mut Client, to: &Address, body: Vec<u8>, key: Option<String>) -> Result<(), ClientError> {
    match client.request(&Request::Tell { to: to.clone(), body: Body(body), key })? {
        Response::Told { .. } => Ok(()),
        other => Err(nonsense(&other)),
    }
}

pub(crate) fn ask(args: &args::Ask) -> Result<(), Exit> {
    let timeout_ms = u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
    let ask = |body| Request::Ask { to: args.to.clone(), body: Body(body), timeout_ms };
    let mut client = Client::connect_for(&args.host.socket, &ask(Vec::new()))?;
    let body = body(&mut client, &args.to, args.body.as_deref(), &ask(Vec::new()))?;
    match client.request(&ask(body))? {
        Response::Answer { body: Body(reply) } => {
            if !std::io::stdout().is_terminal() {
                return print_bytes(&reply);
            }
            let end = if reply.last() == Some(&b'\n') { "" } else { "\n" };
            print(&format!("{}{end}", for_terminal(&reply)))
        }
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn stop(args: &args::One) -> Result<(), Exit> {
    moved(args, Request::Stop { address: args.address.clone() })
}

pub(crate) fn start(args: &args::One) -> Result<(), Exit> {
    moved(args, Request::Start { address: args.address.clone() })
}

fn moved(args: &args::One, request: Request) -> Result<(), Exit> {
    match connect(&args.host)?.request(&request)? {
        Response::Moved { before, now } => print(&format!("{}: {before} -> {now}\n", args.address)),
        other => Err(unexpected(&other)),
    }
}

/// The body on the command line, or all of stdin; an error if stdin has more than the actor takes.
fn body(client: &mut Client, to: &Address, given: Option<&str>, within: &Request) -> Result<Vec<u8>, Exit> {
    if let Some(text) = given {
        return Ok(text.as_bytes().to_vec());
    }
    let limit = limit(client, to, within)?;
    let mut body = Vec::new();
    let mut stdin = std::io::stdin().lock().take((limit as u64).saturating_add(1));
    stdin.read_to_end(&mut body).map_err(|error| Exit::of_stdin(&error))?;
    if body.len() > limit {
        let text = format!(
            "stdin has more than {limit} bytes, the `limits.message` of `{to}`, and was not sent: raise the limit, send \
             less, or send lines (`playhouse tell --lines`)"
        );
        return Err(Exit::with(FAILED, text));
    }
    Ok(body)
}
