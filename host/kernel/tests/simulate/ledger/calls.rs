//! The ledger's knowledge of a call: the messages that ended, the messages that the kernel must have committed by now, and
//! the message to blame for a crash.

use std::time::Duration;

use playhouse_kernel::{Answer, AskError, SendError};

use super::{Call, Certain, How, Incarnation, Kept, Ledger, Run, RunId, Sender, Timer};
use crate::trace::{Serial, What};
use crate::world::{Play, Plot, Subtree, Who};

impl Ledger {
    pub fn launch(&mut self, incarnation_id: Incarnation) {
        let Incarnation { who, incarnation } = incarnation_id;
        self.note(What::Launch(who, incarnation));
        self.alive[who] += 1;
        let (all, most) = (self.alive.iter().sum::<usize>(), self.most_instances);
        self.must(all <= most, || format!("{all} incarnations live, of {most} at most"));
        for Subtree { members, most_instances, .. } in self.subtrees.clone() {
            let all = members.iter().map(|&who| self.alive[who]).sum::<usize>();
            self.must(all <= most_instances, || format!("{all} of {members:?} live, of {most_instances} at most"));
        }
        let (alive, over, most) = (self.alive[who], self.over, self.instances[who]);
        self.must(alive <= most, || format!("{alive} incarnations of one actor, of {most} at most"));
        self.must(!over, || "an actor starts after the end".to_owned());
    }

    pub fn gone(&mut self, incarnation_id: Incarnation) {
        self.note(What::Gone(incarnation_id.who, incarnation_id.incarnation));
        self.alive[incarnation_id.who] -= 1;
        self.timers_end(incarnation_id);
        for run in self.returned.remove(&incarnation_id).unwrap_or_default() {
            self.keep(run, Kept::Maybe);
        }
    }

    /// It begins to stop or no longer exists, and so its timers end.
    pub fn timers_end(&mut self, incarnation_id: Incarnation) {
        self.timers_ended.entry(incarnation_id).or_insert(self.now);
    }

    /// The kernel asks its code whether it may start.
    pub fn gate(&mut self, who: Who, opens: bool) {
        self.note(What::Gate(who, opens));
        if !opens {
            self.seen.insert("a gate did not open");
        }
    }

    /// The kernel continues with this incarnation, so it has committed the result before.
    fn goes_on(&mut self, incarnation_id: Incarnation) {
        for run in self.returned.remove(&incarnation_id).unwrap_or_default() {
            self.keep(run, Kept::Yes);
        }
    }

    pub fn hook_begins(&mut self, incarnation_id: Incarnation, hook: &'static str) -> RunId {
        self.goes_on(incarnation_id);
        self.note(What::Hook(incarnation_id.who, hook));
        let (of, how, sends) = (None, How::Open, Vec::new());
        self.runs.push(Run { of, incarnation_id, how, kept: Kept::NotYet, sends, envelope: None });
        self.runs.len() - 1
    }

    pub fn hook_ends(&mut self, run: RunId, well: bool) {
        self.note(What::HookEnds(self.runs[run].incarnation_id.who, well));
        self.runs[run].how = How::Done;
        self.keep(run, if well { Kept::Yes } else { Kept::No });
        if well {
            self.release_sends(run);
        }
    }

    pub fn call_begins(&mut self, incarnation_id: Incarnation, taken: usize, most: usize) {
        self.goes_on(incarnation_id);
        self.note(What::Call(incarnation_id.who, taken));
        let (halted, over) = (self.halted[incarnation_id.who], self.over);
        self.must(!halted, || "an operator stopped it, and it gets messages".to_owned());
        self.must(!over, || "it gets messages after the end".to_owned());
        if self.passivated[incarnation_id.who] > 0 {
            self.seen.insert("a message started a passivated actor");
        }
        self.must((1..=most).contains(&taken), || format!("a batch of {taken}, of {most} at most"));
        if self.calls.keys().any(|other| other.who == incarnation_id.who) {
            self.seen.insert("two instances at once");
        }
        let (pending, unsure) = (Vec::new(), Vec::new());
        self.calls.insert(incarnation_id, Call { taken, settled: 0, pending, unsure, current: None, ask: None });
    }

    pub fn call(&mut self, incarnation_id: Incarnation) -> &mut Call {
        self.calls.get_mut(&incarnation_id).expect("a call runs")
    }

    pub fn takes_up(&mut self, incarnation_id: Incarnation, run: RunId) {
        self.call(incarnation_id).current = Some(run);
    }

    pub fn tells(&mut self, run: RunId, to: Who, plot: Plot, body_bytes: usize) -> Serial {
        let actor = self.runs[run].incarnation_id.who;
        let serial = self.send(Sender::Actor(actor), Some(run), to, plot, body_bytes);
        self.note(What::Tell(actor, serial, to, plot));
        self.runs[run].sends.push(serial);
        serial
    }

    /// It sets a timer, whose messages are no sends of the turn.
    pub fn sets_timer(&mut self, run: RunId, to: Who, plot: Plot, body_bytes: usize, wait: Duration) -> Serial {
        let incarnation_id = self.runs[run].incarnation_id;
        let actor = incarnation_id.who;
        let serial = self.send(Sender::Actor(actor), Some(run), to, plot, body_bytes);
        self.note(What::Timer(actor, serial, to, plot, wait));
        let due = self.now + wait;
        self.entries[serial].timer = Some(Timer { of: incarnation_id, due, cancelled: false });
        serial
    }

    pub fn cancels(&mut self, who: Who, serial: Serial) {
        self.note(What::Cancel(who, serial));
        if let Some(timer) = &mut self.entries[serial].timer {
            timer.cancelled = true;
        }
    }

    pub fn ends(&mut self, incarnation_id: Incarnation, how: How) {
        let call = self.call(incarnation_id);
        let run = call.current.take().expect("the call handles a message");
        call.pending.push(run);
        self.runs[run].how = how;
        let serial = self.runs[run].of.expect("it is no hook");
        let shown = match how {
            How::Open => "open",
            How::Done => "done",
            How::Rejected => "rejected",
            How::Retried => "to be retried",
        };
        self.note(What::Ends(incarnation_id.who, serial, shown));
    }

    /// An ask commits the messages that ended before it. Returns also whether it would close a circle.
    pub fn ask_begins(
        &mut self,
        run: RunId,
        to: Who,
        plot: Plot,
        body_bytes: usize,
        timeout: Duration,
    ) -> (Serial, Certain) {
        let incarnation_id = self.runs[run].incarnation_id;
        let who = incarnation_id.who;
        let serial = self.send(Sender::Actor(who), Some(run), to, plot, body_bytes);
        self.note(What::Ask(who, serial, to, plot, timeout));
        let circle = self.circle(who, to);
        if circle != Certain::Yes {
            self.waits_for.insert(incarnation_id, (to, serial));
        }
        let call = self.call(incarnation_id);
        call.ask = Some((serial, call.unsure.len(), circle));
        let pending = std::mem::take(&mut call.pending);
        call.unsure.extend(&pending);
        for run in pending {
            self.keep(run, Kept::Maybe);
            self.release_sends(run);
        }
        self.send_at_once(serial, true);
        (serial, circle)
    }

    /// Whether an actor waits for itself through others. An asker does not wait if its answer exists or comes with the next
    /// commit. An ask that waits for a retry gets its answer only if attempts are left.
    fn circle(&self, who: Who, to: Who) -> Certain {
        let (mut at, mut circle) = (to, Certain::Yes);
        let mut seen = Vec::new();
        if self.instances[who] > 1 {
            return Certain::Maybe;
        }
        while at != who {
            if seen.contains(&at) {
                // Others wait for each other, and the kernel refuses one of them.
                return Certain::Maybe;
            }
            seen.push(at);
            let Some((next, question)) = self.wait_of(at) else { return Certain::No };
            if self.instances[at] > 1 {
                // The result depends on the other actors.
                return Certain::Maybe;
            }
            let runs =
                || self.entries[question].runs.iter().map(|&run| &self.runs[run]).filter(|run| run.kept != Kept::No);
            if runs().any(|run| matches!(run.how, How::Done | How::Rejected)) {
                return Certain::No;
            }
            // An asker commits first. So its ask may not have arrived yet, and the kernel may refuse the other ask instead.
            if !runs().any(|run| run.how == How::Open) || runs().any(|run| run.how == How::Retried) {
                circle = Certain::Maybe;
            }
            at = next;
        }
        circle
    }

    /// The ask that an actor's instance waits for, if any instance waits.
    fn wait_of(&self, who: Who) -> Option<(Who, Serial)> {
        let seats = Incarnation { who, incarnation: 0 }..=Incarnation { who, incarnation: u64::MAX };
        self.waits_for.range(seats).next().map(|(_, wait)| *wait)
    }

    pub fn ask_answered(&mut self, play: &Play, incarnation_id: Incarnation, answer: &Answer) {
        if let (Err(AskError::Deadlock(_)), Some((to, serial))) = (answer, self.waits_for.get(&incarnation_id).copied())
        {
            let circle = self.circle(incarnation_id.who, to);
            self.must(circle != Certain::No, || format!("#{serial} closed no circle: {answer:?}"));
        }
        self.waits_for.remove(&incarnation_id);
        let call = self.call(incarnation_id);
        let (serial, older, circle) = call.ask.take().expect("it asked");
        let unsure = match answer {
            // The kernel did not even try it, so it committed nothing.
            Err(AskError::Deadlock(_)) if circle == Certain::Yes => {
                let back = call.unsure.split_off(older);
                call.pending.extend(&back);
                for run in back {
                    self.keep(run, Kept::NotYet);
                }
                Vec::new()
            }
            Err(AskError::Timeout | AskError::StoppedByOperator(_) | AskError::Deadlock(_)) => Vec::new(),
            _ => std::mem::take(&mut call.unsure),
        };
        self.call(incarnation_id).settled += unsure.len();
        for run in unsure {
            self.keep(run, Kept::Yes);
        }
        self.answered(play, serial, answer);
    }

    /// The answer to an ask of an actor or of the outside.
    pub fn answered(&mut self, play: &Play, serial: Serial, answer: &Answer) {
        let shown = match answer {
            Ok(_) => "a reply".to_owned(),
            Err(error) => error.to_string(),
        };
        self.note(What::Answer(serial, shown));
        self.seen.insert(match answer {
            Ok(_) => "answer: a reply",
            Err(AskError::NoReply) => "answer: no reply",
            Err(AskError::Rejected(_) | AskError::RetriesSpent(_)) => "answer: failed",
            Err(AskError::Crashed(_)) => "answer: crashed",
            Err(AskError::Restarting(_)) => "answer: restarting",
            Err(AskError::ActorFailed(_)) => "answer: actor failed",
            Err(AskError::Stopped) => "answer: stopped",
            Err(AskError::Timeout) => "answer: too late",
            Err(AskError::Deadlock(_)) => "answer: a circle",
            Err(_) => "answer: not sent",
        });
        let entry = &self.entries[serial];
        let accepted = match answer {
            Err(AskError::NotSent(SendError::MailboxFull(_) | SendError::Dropped { .. })) => {
                Self::drops(play, entry.to)
            }
            Err(AskError::Deadlock(_) | AskError::NotSent(_)) => Certain::No,
            Err(AskError::Timeout | AskError::StoppedByOperator(_) | AskError::ActorFailed(_)) => Certain::Maybe,
            // It was the current message. Or its actor does not return in time, whether the message was in the mailbox or
            // not.
            Err(AskError::Restarting(_)) if entry.lost_at.is_none() => Certain::Maybe,
            _ => Certain::Yes,
        };
        let (lost_at, now, again) = (entry.lost_at, self.now, entry.answered_at.is_some());
        self.must(!again, || format!("#{serial} is answered twice"));
        if let Some(lost_at) = lost_at {
            self.must(lost_at == now, || format!("the asker of #{serial} learns of a crash late"));
            let crashed = matches!(answer, Err(AskError::Crashed(_) | AskError::Restarting(_)));
            // Its time was over at that very moment.
            let crashed = crashed || *answer == Err(AskError::Timeout) && lost_at == now;
            self.must(crashed, || {
                format!("#{serial} was the current message at a crash, and the answer is {answer:?}")
            });
        }
        let entry = &mut self.entries[serial];
        entry.accepted = accepted;
        entry.answered_at = Some(now);
        if let Ok(reply) = answer {
            entry.replied_by = reply.first_chunk().map(|run| u64::from_le_bytes(*run) as usize);
        }
    }

    pub fn call_returns(&mut self, incarnation_id: Incarnation) {
        self.note(What::CallReturns(incarnation_id.who));
        let call = self.calls.remove(&incarnation_id).expect("a call runs");
        for &run in &call.pending {
            self.release_sends(run);
        }
        for run in call.unsure.into_iter().chain(call.pending) {
            self.keep(run, Kept::Returned);
            self.returned.entry(incarnation_id).or_default().push(run);
        }
    }

    /// It crashes by itself, and only committed results exist.
    pub fn call_crashes(&mut self, incarnation_id: Incarnation) {
        self.note(What::CallCrashes(incarnation_id.who));
        let call = self.calls.remove(&incarnation_id).expect("a call runs");
        let sure = call.unsure.is_empty();
        let left = call.taken - call.settled;
        let in_turn: Vec<_> =
            call.current.into_iter().chain(if sure { call.pending.clone() } else { Vec::new() }).collect();
        for run in call.pending {
            self.keep(run, if sure { Kept::No } else { Kept::Maybe });
            if !sure {
                // Perhaps it was the only message left.
                self.entries[self.runs[run].of.expect("it is no hook")].blames.1 += 1;
            }
        }
        for run in in_turn {
            let entry = &mut self.entries[self.runs[run].of.expect("it is no hook")];
            match left {
                1 => entry.blames = (entry.blames.0 + 1, entry.blames.1 + 1),
                _ if sure => entry.alone = true,
                _ => entry.blames.1 += 1,
            }
            if entry.is_ask {
                entry.lost_at = Some(self.now);
            }
        }
    }

    /// A timeout or a kill dropped it half-way.
    pub fn call_cut(&mut self, incarnation_id: Incarnation) {
        self.note(What::CallCut(incarnation_id.who));
        self.waits_for.remove(&incarnation_id);
        let call = self.calls.remove(&incarnation_id).expect("a call runs");
        let sure = call.unsure.is_empty();
        let kept = if sure { Kept::No } else { Kept::Maybe };
        let left = call.taken - call.settled - if sure { 0 } else { call.unsure.len() + call.pending.len() };
        // If the timeout ended it, the only message left is to blame.
        if left <= 1
            && let Some(run) = call.current.or(call.pending.last().copied())
        {
            self.entries[self.runs[run].of.expect("it is no hook")].blames.1 += 1;
        }
        for run in call.pending {
            self.keep(run, kept);
        }
    }
}
