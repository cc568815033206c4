//! The guest that tests drive: it follows the steps in a message, separated by `;`.
//!
//! | step | effect |
//! |---|---|
//! | `tell A BODY` | sends BODY to A |
//! | `all GROUP BODY` | sends BODY to all of a group, and their number, or the error's variant, to `/log` |
//! | `ask A BODY` | asks A, and sends `answer REPLY`, or the name of the error's variant, to `/log` |
//! | `reply BODY` | replies |
//! | `reply-bytes N` | replies with N bytes |
//! | `back BODY` | sends BODY to the sender |
//! | `parts` | sends the metadata, the digits of the flow, whether there is a deadline, and the sequence number to `/log` |
//! | `answer X` | replies with X, and the metadata `status: 201` |
//! | `envelope` | sends sender, hops, attempt and whether it was asked to `/log` |
//! | `reject WHY`, `retry WHY` | fails |
//! | `retry-once WHY` | fails the first attempt |
//! | `trap` | panics |
//! | `print X` | writes the line X to stderr |
//! | `log LEVEL X` | logs X |
//! | `spawn NAME`, `stop NAME` | spawns a worker, stops a child; a refusal is sent to `/log` |
//! | `after MS A BODY`, `every MS A BODY` | sets a timer for A; a refusal is sent to `/log` |
//! | `cancel` | cancels the last timer |
//! | `count NAME BY`, `observe NAME VALUE` | counts, observes; a refusal is sent to `/log` |
//! | `counts N` | counts N times |
//! | `around` | sends its children, whether it finds `w`, and the state of `/log` to `/log` |
//! | `watch A` | watches A: its address and each change are sent to `/log` |
//! | `say stop`, `say restart` | its directive for a failed child; `/log` gets its name, the crash kind and the attempt |
//! | `keep X`, `kept` | keeps the text X, replies with it |
//! | `out X` | writes the line X to stdout |
//! | `spin`, `eat MIB` | loops for ever; allocates memory and keeps it |
//! | `farewell X` | writes X to stderr when its value is dropped, and panics then if X is `trap` |
//! | anything else | nothing |
//!
//! With `prints` in its config it writes the line `hook` to stderr in `prepare_children`.
//!
//! With `reports` in its config it sends the outcome of each message to `/log`: the attempt, the outcome, and `dead` for a dead
//! letter. At the outcome of a message that was rejected as `boom` it panics.

use std::time::Duration;

use playhouse_sdk::{
    Actor, Callback, Change, ChildFailed, Context, Directive, Ended, Failure, Level, Message, Notice, Result,
    Supervisor, TaskDone, TimerId, Watcher, reject, retry,
};

#[derive(Default)]
pub(crate) struct Puppet {
    timer: Option<TimerId>,
    word: Directive,
    kept: String,
    eaten: Vec<Vec<u8>>,
    farewell: String,
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if !self.farewell.is_empty() {
            eprintln!("{}", self.farewell);
        }
        assert_ne!(self.farewell, "trap");
    }
}

impl Callback for Puppet {
    fn task_done(&mut self, task: TaskDone, ctx: &mut Context) -> Result {
        if ctx.config("reports").is_none() {
            return Ok(());
        }
        let what = match task.ended {
            Ended::Done => "done".to_owned(),
            Ended::Replied => "replied".to_owned(),
            Ended::Failed(Failure::Reject(reason)) if reason == "boom" => panic!("boom"),
            Ended::Failed(Failure::Reject(reason)) => format!("rejected {reason}"),
            Ended::Failed(Failure::Retry(reason)) => format!("retry {reason}"),
            Ended::Crashed { .. } => "crashed".to_owned(),
        };
        let dead = if task.dead_letter { " dead" } else { "" };
        Ok(ctx.tell("/log", format!("{} {what}{dead}", task.attempt))?)
    }
}

impl Watcher for Puppet {
    fn noticed(&mut self, notice: Notice, ctx: &mut Context) -> Result {
        let what = match notice.change {
            Change::Started => "started".to_owned(),
            Change::Crashed { kind, .. } => kind,
            Change::Stopped { .. } => "stopped".to_owned(),
            Change::Ended => "ended".to_owned(),
            Change::Gone => "gone".to_owned(),
        };
        Ok(ctx.tell("/log", format!("{} {what}", notice.address))?)
    }
}

impl Actor for Puppet {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        msg.text()?.split(';').try_for_each(|step| self.act(step, &msg, ctx))
    }

    fn prepare_children(&mut self, ctx: &mut Context) -> Result {
        if ctx.config("prints").is_some() {
            eprintln!("hook");
        }
        if ctx.incarnation() > 1 { log_error(ctx, ctx.spawn("again", "worker")) } else { Ok(()) }
    }
}

impl Supervisor for Puppet {
    fn child_failed(&mut self, failure: ChildFailed, ctx: &mut Context) -> Directive {
        let attempt = failure.blamed.as_ref().map_or(0, |blamed| blamed.attempt);
        ctx.tell("/log", format!("{} {} {attempt}", failure.name(), failure.kind)).expect("it may");
        self.word
    }
}

fn level(name: &str) -> Level {
    match name {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => Level::Critical,
    }
}

/// Sends the name of a refusal's variant to the log.
fn log_error<T, E: std::fmt::Debug>(ctx: &Context, done: Result<T, E>) -> Result {
    let Err(error) = done else { return Ok(()) };
    let error = format!("{error:?}");
    Ok(ctx.tell("/log", error.split(['(', ' ']).next().unwrap_or_default())?)
}

impl Puppet {
    fn act(&mut self, step: &str, msg: &Message, ctx: &Context) -> Result {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let (to, body) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "tell" => ctx.tell(to, body)?,
            "ask" => match ctx.ask(to, body, Duration::from_secs(5)) {
                Ok(reply) => ctx.tell("/log", format!("answer {}", String::from_utf8_lossy(&reply)))?,
                error => log_error(ctx, error)?,
            },
            "all" => match ctx.tell_all(to, body) {
                Ok(count) => ctx.tell("/log", format!("all {count}"))?,
                error => log_error(ctx, error)?,
            },
            "keep" => rest.clone_into(&mut self.kept),
            "kept" => ctx.reply(self.kept.as_str()),
            "out" => println!("{rest}"),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "eat" => self.eaten.push(vec![1; rest.parse::<usize>()? << 20]),
            "farewell" => rest.clone_into(&mut self.farewell),
            "print" => eprintln!("{rest}"),
            "log" => ctx.log(level(to), body),
            "reply" => ctx.reply(rest),
            "reply-bytes" => ctx.reply(vec![0; rest.parse()?]),
            "back" => ctx.tell(&ctx.sender().unwrap_or_default(), rest)?,
            "envelope" => {
                let envelope = ctx.envelope().expect("a message is being handled");
                let sender = envelope.sender.unwrap_or_default();
                ctx.tell("/log", format!("{sender} {} {} {}", envelope.hops, envelope.attempt, envelope.asked))?;
            }
            "parts" => {
                let envelope = ctx.envelope().expect("a message is being handled");
                let (digits, left, number) =
                    (envelope.flow.to_string().len(), envelope.time_left.is_some(), envelope.sequence);
                ctx.tell("/log", format!("{:?} {digits} {left} {number}", msg.metadata()))?;
            }
            "answer" => ctx.with_metadata("status", "201").reply(rest)?,
            "reject" => return Err(reject(rest)),
            "retry" => return Err(retry(rest)),
            "retry-once" if ctx.envelope().is_some_and(|envelope| envelope.attempt == 1) => return Err(retry(rest)),
            "trap" => panic!("as told"),
            "spawn" => log_error(ctx, ctx.spawn(rest, "worker"))?,
            "stop" => log_error(ctx, ctx.stop_child(rest))?,
            "after" | "every" => {
                let (to, body) = body.split_once(' ').unwrap_or((body, ""));
                let wait = Duration::from_millis(rest.split(' ').next().unwrap_or_default().parse()?);
                let timer =
                    if verb == "after" { ctx.tell_after(wait, to, body) } else { ctx.tell_every(wait, to, body) };
                self.timer = timer.as_ref().ok().copied().or(self.timer);
                log_error(ctx, timer)?;
            }
            "cancel" => self.timer.take().into_iter().for_each(|timer| ctx.cancel(timer)),
            "count" => log_error(ctx, ctx.count(to, body.parse()?))?,
            "observe" => log_error(ctx, ctx.observe(to, body.parse()?))?,
            "counts" => (0..rest.parse::<u32>()?).try_for_each(|_| ctx.count("orders", 1))?,
            "say" => self.word = if rest == "stop" { Directive::Stop } else { Directive::Restart },
            "watch" => log_error(ctx, ctx.watch(rest))?,
            "around" => {
                let found = ctx.lookup("w").unwrap_or_default();
                ctx.tell("/log", format!("{:?} {found} {:?}", ctx.children(), ctx.status("/log")))?;
            }
            _ => {}
        }
        Ok(())
    }
}
