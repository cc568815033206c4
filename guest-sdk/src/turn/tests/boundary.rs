//! The host of the tests, on the other side of the boundary.

use super::*;

/// A host that notes each call.
#[derive(Default)]
pub(super) struct Boundary(pub(super) RefCell<Vec<String>>);

impl Boundary {
    fn note(&self, line: String) {
        self.0.borrow_mut().push(line);
    }
}

impl Kernel for Rc<Boundary> {
    fn address(&self) -> String {
        "/actor".to_owned()
    }

    fn incarnation(&self) -> u64 {
        1
    }

    fn config(&self, _: &str) -> Option<String> {
        None
    }

    fn envelope(&self) -> Option<Envelope> {
        None
    }

    fn tell(&self, to: &str, _: &[u8]) -> Result<(), SendError> {
        self.note(format!("tell {to}"));
        Ok(())
    }

    fn tell_all(&self, to: &str, _: &[u8]) -> Result<u32, SendError> {
        self.note(format!("tell-all {to}"));
        Ok(2)
    }

    fn ask(&self, to: &str, body: &[u8], _: Duration) -> Result<Vec<u8>, AskError> {
        self.note(format!("ask {to}"));
        Ok(body.to_vec())
    }

    fn tell_with(&self, to: &str, _: &Metadata, _: &[u8]) -> Result<(), SendError> {
        self.note(format!("tell {to} with metadata"));
        Ok(())
    }

    fn tell_all_with(&self, to: &str, _: &Metadata, _: &[u8]) -> Result<u32, SendError> {
        self.note(format!("tell-all {to} with metadata"));
        Ok(2)
    }

    fn ask_with(&self, to: &str, metadata: &Metadata, body: &[u8], _: Duration) -> Result<Reply, AskError> {
        self.note(format!("ask {to} with metadata"));
        Ok(Reply { body: body.to_vec(), metadata: metadata.clone() })
    }

    fn reply_metadata(&self, metadata: &Metadata) {
        self.note(format!("reply with {metadata:?}"));
    }

    fn timer_with(&self, to: &str, _: &Metadata, _: &[u8], wait_ms: u64, _: bool) -> Result<u64, TimerError> {
        self.note(format!("timer {to} {wait_ms} with metadata"));
        Ok(1 << 52)
    }

    fn spawn(&self, name: &str, plugin: &str, _: &SpawnOptions) -> Result<(), SpawnError> {
        self.note(format!("spawn {name} {plugin}"));
        Ok(())
    }

    fn stop(&self, child: &str) -> Result<(), StopError> {
        self.note(format!("stop {child}"));
        Ok(())
    }

    fn children(&self) -> Vec<String> {
        Vec::new()
    }

    fn lookup(&self, _: &str) -> Option<String> {
        None
    }

    fn status(&self, _: &str) -> Option<ActorState> {
        None
    }

    fn timer(&self, to: &str, _: &[u8], wait_ms: u64, _: bool) -> Result<u64, TimerError> {
        self.note(format!("timer {to} {wait_ms}"));
        Ok(1 << 52)
    }

    fn watch(&self, _: &str) -> Result<u64, crate::WatchError> {
        unreachable!("no test here watches")
    }

    fn unwatch(&self, _: u64) {}

    fn cancel(&self, timer: u64) {
        self.note(format!("cancel {timer}"));
    }

    fn count(&self, _: &str, _: u64) -> Result<(), MetricError> {
        unreachable!("a turn counts by number")
    }

    fn observe(&self, _: &str, _: f64) -> Result<(), MetricError> {
        unreachable!("a turn observes by number")
    }

    fn state_get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.note(format!("get {key}"));
        Ok((key == "old").then(|| b"kept".to_vec()))
    }

    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.note(format!("set {key} {}", String::from_utf8_lossy(value)));
        if key.starts_with("one-too-many") { Err(StateError::Full { limit_bytes: 200 }) } else { Ok(()) }
    }

    fn state_set_for(&self, key: &str, value: &[u8], milliseconds: u64) -> Result<(), StateError> {
        self.note(format!("set {key} {} for {milliseconds}", String::from_utf8_lossy(value)));
        if key.starts_with("one-too-many") { Err(StateError::Full { limit_bytes: 200 }) } else { Ok(()) }
    }

    fn state_delete(&self, key: &str) -> Result<(), StateError> {
        self.note(format!("delete {key}"));
        Ok(())
    }

    fn state_keys(&self, prefix: &str, after: Option<&str>, _: u32) -> Result<Vec<String>, StateError> {
        self.note(format!("keys {prefix} {after:?}"));
        Ok(if after.is_none() { vec!["x".to_owned()] } else { Vec::new() })
    }

    fn log(&self, _: Level, text: &str) {
        self.note(format!("log {text}"));
    }
}

impl TurnHost for Rc<Boundary> {
    fn resolve(&self, to: &str, message: u32) -> Result<Route, SendError> {
        self.note(format!("resolve {to} for {message}"));
        match to {
            "/nobody" => Err(SendError::UnknownAddress(to.to_owned())),
            "/sender" => Ok(Route { number: 9, limit_bytes: 100, lasting: false }),
            _ => Ok(Route { number: to.len() as u32, limit_bytes: 100, lasting: true }),
        }
    }

    fn own(&self) -> Route {
        self.note("own".to_owned());
        Route { number: 0, limit_bytes: 10, lasting: false }
    }

    fn reserve(&self, name: &str, _: &str, _: &SpawnOptions, message: u32) -> Result<u32, SpawnError> {
        self.note(format!("reserve {name} for {message}"));
        Ok(50 + message)
    }

    fn find_child(&self, child: &str) -> Result<u32, StopError> {
        self.note(format!("find {child}"));
        Ok(child.len() as u32)
    }

    fn timers_left(&self) -> (u32, u32) {
        self.note("timers left".to_owned());
        (if self.0.borrow().iter().any(|line| line.contains("timer(")) { 0 } else { 2 }, 2)
    }

    fn timer_base(&self) -> u64 {
        0
    }

    fn time_left_of(&self, message: u32) -> Option<Duration> {
        self.note(format!("time left of {message}"));
        Some(Duration::from_millis(7))
    }

    fn sender_of(&self, message: u32) -> Option<String> {
        self.note(format!("sender of {message}"));
        Some("/sender".to_owned())
    }

    fn metric(&self, name: &str) -> Result<u32, MetricError> {
        self.note(format!("metric {name}"));
        if name.len() < 9 { Ok(name.len() as u32) } else { Err(MetricError::Undeclared(name.to_owned())) }
    }

    fn count_metric(&self, metric: u32, by: u64) -> Result<(), MetricError> {
        self.note(format!("count {metric} by {by}"));
        Ok(())
    }

    fn observe_metric(&self, metric: u32, value: f64) -> Result<(), MetricError> {
        self.note(format!("observe {metric} {value}"));
        if value >= 0.0 { Ok(()) } else { Err(MetricError::BadValue("no".to_owned())) }
    }

    fn state_limits(&self) -> Result<StateLimits, StateError> {
        self.note("limits".to_owned());
        Ok(StateLimits { value_bytes: 20, left_bytes: 200 })
    }

    fn hand_over(&self, frame: &[u8]) {
        self.note(format!("hand over {}", shown(frame)));
    }
}
