//! `playhouse why`: what an actor of a running host waits for.

use super::host::{connect, unexpected};
use super::{print, print_json};
use crate::args;
use crate::exit::Exit;
use playhouse_runtime::control::protocol::{Request, Response};
use playhouse_runtime::printable::Printable;

pub(crate) fn why(args: &args::Why) -> Result<(), Exit> {
    match connect(&args.look.host)?.request(&Request::Why { address: args.address.clone() })? {
        Response::Why(why) if args.look.json => print_json(&why),
        Response::Why(why) => print(&format!("{}\n", Printable(&why.text))),
        other => Err(unexpected(&other)),
    }
}
