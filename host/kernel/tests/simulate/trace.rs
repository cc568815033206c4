//! The events of a play, line by line: compared to see that a seed repeats its play, and printed when one fails.

use std::fmt;
use std::time::Duration;

use crate::world::{Play, Plot, Who};

/// A message by the number that it got when it was sent. Its body carries that number.
pub type Serial = usize;

#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Since the play began.
    pub at: Duration,
    pub what: What,
}

#[derive(Clone, PartialEq, Debug)]
pub enum What {
    Launch(Who, u64),
    Gone(Who, u64),
    Gate(Who, bool),
    Hook(Who, &'static str),
    HookEnds(Who, bool),
    /// A call of `handle` with this number of messages.
    Call(Who, usize),
    Handle(Who, Serial, u32),
    Tell(Who, Serial, Who, Plot),
    Timer(Who, Serial, Who, Plot, Duration),
    Cancel(Who, Serial),
    Ask(Who, Serial, Who, Plot, Duration),
    Answer(Serial, String),
    Ends(Who, Serial, &'static str),
    CallReturns(Who),
    CallCrashes(Who),
    /// The call was dropped half-way.
    CallCut(Who),
    OutsideTell(usize, Serial, Who, Plot),
    OutsideAsk(usize, Serial, Who, Plot, Duration),
    Told(Serial, String),
    Operator(&'static str, Who),
    Driver(&'static str),
}

/// A line with the play it belongs to, for the addresses.
pub struct Shown<'a>(pub &'a Play, pub &'a Line);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |who: &Who| self.0.roles[*who].address.as_str();
        let plot = |plot: &Plot| format!("{:?}, fuel {}", plot.temper, plot.fuel);
        write!(f, "{:>9.1} ms  ", self.1.at.as_secs_f64() * 1000.0)?;
        match &self.1.what {
            What::Launch(who, incarnation) => write!(f, "{} launches (incarnation {incarnation})", name(who)),
            What::Gone(who, incarnation) => write!(f, "{} ended (incarnation {incarnation})", name(who)),
            What::Gate(who, opens) => write!(f, "{}'s gate {}", name(who), if *opens { "opens" } else { "stays shut" }),
            What::Hook(who, hook) => write!(f, "{} runs {hook}", name(who)),
            What::HookEnds(who, ok) => write!(f, "{} ends it {}", name(who), if *ok { "well" } else { "badly" }),
            What::Call(who, count) => write!(f, "{} is called with {count}", name(who)),
            What::Handle(who, serial, attempt) => write!(f, "{} handles #{serial} (attempt {attempt})", name(who)),
            What::Tell(who, serial, to, p) => write!(f, "{} tells {} #{serial} ({})", name(who), name(to), plot(p)),
            What::Timer(who, serial, to, p, wait) => {
                write!(f, "{} will tell {} #{serial} ({}) after {wait:?}", name(who), name(to), plot(p))
            }
            What::Cancel(who, serial) => write!(f, "{} will not tell #{serial}", name(who)),
            What::Ask(who, serial, to, p, timeout) => {
                write!(f, "{} asks {} #{serial} ({}) within {timeout:?}", name(who), name(to), plot(p))
            }
            What::Answer(serial, answer) => write!(f, "the answer to #{serial}: {answer}"),
            What::Ends(who, serial, how) => write!(f, "{} ends #{serial}: {how}", name(who)),
            What::CallReturns(who) => write!(f, "{} returns", name(who)),
            What::CallCrashes(who) => write!(f, "{} crashes", name(who)),
            What::CallCut(who) => write!(f, "{} is cut off", name(who)),
            What::OutsideTell(crowd, serial, to, p) => {
                write!(f, "crowd {crowd} tells {} #{serial} ({})", name(to), plot(p))
            }
            What::OutsideAsk(crowd, serial, to, p, timeout) => {
                write!(f, "crowd {crowd} asks {} #{serial} ({}) within {timeout:?}", name(to), plot(p))
            }
            What::Told(serial, result) => write!(f, "#{serial} from outside: {result}"),
            What::Operator(what, who) => write!(f, "an operator {what} {}", name(who)),
            What::Driver(what) => f.write_str(what),
        }
    }
}
