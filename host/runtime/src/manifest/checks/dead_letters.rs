//! `[play.dead_letters]`: the receiver of letters.

use playhouse_gateway::letters::{LETTERS_ADDRESS, LettersSettings};
use playhouse_kernel::Address;

use super::addresses::Addresses;
use super::findings::Checks;
use crate::manifest::problem::Problem;
use crate::manifest::schema::DeadLetters;

impl Checks {
    pub(super) fn dead_letters_to(&mut self, written: &DeadLetters, addresses: &Addresses) -> Option<LettersSettings> {
        let written = written.to.as_ref()?;
        let address = Address::parse(LETTERS_ADDRESS).ok()?;
        if addresses.has(&address) {
            let what = format!("`to` needs the address `{address}`, which an actor has");
            let problem = Problem::at(written.span(), what, "here");
            self.add(problem.help("the actor there sends the letters: give the other one another name"));
            return None;
        }
        let to = self.receiver(written, "to", addresses)?;
        Some(LettersSettings { address, to })
    }
}
