//! The promises about timers of stored actors, each in a small play.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use playhouse_kernel::{
    ActorSpec, Clock, HostClock, Keep, Kernel, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan,
    State,
};
use tokio::time::{Instant, sleep};

use crate::house::{House, addr, stop, tell};

pub const DAY: Duration = Duration::from_hours(24);

/// A clock of the world that stands at one time at the start of a host.
struct World(SystemTime);

impl HostClock for World {
    fn thread_time(&self) -> Duration {
        Duration::ZERO
    }

    fn delayed(&self, _: Instant) -> Duration {
        Duration::ZERO
    }

    fn suspended(&self, _: Instant) -> Duration {
        Duration::ZERO
    }

    fn world(&self) -> SystemTime {
        self.0
    }
}

/// The time of the world when the first host starts.
pub fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + 10_000 * DAY
}

pub async fn open_at(house: &House, world: SystemTime, actors: Vec<ActorSpec>) -> Kernel {
    let plan = Plan { actors, clock: Clock::from(Arc::new(World(world))), ..Plan::default() };
    let kernel = Kernel::open(&plan, Arc::new(house.store.clone())).await.unwrap();
    kernel.wait_booted().await;
    kernel
}

/// A play whose `/a` got this message and did what it says, at noon. The host is dead.
async fn after(house: &House, message: &str) {
    let kernel = open_at(house, noon(), vec![house.stored("/a")]).await;
    tell(&kernel, "/a", message).await;
    sleep(Duration::from_millis(1)).await;
    stop(&kernel).await;
}

/// How often a timer has sent to `/a`.
fn fired(house: &House) -> usize {
    house.lines().iter().filter(|line| *line == "/a a timer's 0").count()
}

#[tokio::test(start_paused = true)]
async fn timer_outlives_the_host_and_fires_once() {
    let house = House::default();
    after(&house, "in 1000 /a").await;
    let kernel = open_at(&house, noon() + Duration::from_millis(400), vec![house.stored("/a")]).await;
    sleep(Duration::from_millis(590)).await;
    assert_eq!(fired(&house), 0, "it was set for 1000 ms, and 991 have passed");
    kernel.wait_idle().await;
    assert_eq!(fired(&house), 1);
    stop(&kernel).await;
    let kernel = open_at(&house, noon() + DAY, vec![house.stored("/a")]).await;
    kernel.wait_idle().await;
    assert_eq!(fired(&house), 1);
    assert_eq!(house.entries(), ["put 1", "timer /a, take 1..2", "put 1, timer gone", "take 2..3"]);
}

#[tokio::test(start_paused = true)]
async fn overdue_timer_fires_at_the_start() {
    let house = House::default();
    after(&house, "in 1000 /a").await;
    let kernel = open_at(&house, noon() + DAY, vec![house.stored("/a")]).await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(fired(&house), 1);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn clock_that_went_back_puts_no_timer_beyond_its_delay() {
    let house = House::default();
    after(&house, "in 1000 /a; every 700 /a").await;
    let kernel = open_at(&house, noon() - DAY, vec![house.stored("/a")]).await;
    sleep(Duration::from_millis(690)).await;
    assert_eq!(fired(&house), 0);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(fired(&house), 1);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(fired(&house), 2);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn clock_that_went_back_puts_no_retry_beyond_its_pause() {
    let house = House::default();
    after(&house, "retry").await;
    let kernel = open_at(&house, noon() - DAY, vec![house.stored("/a")]).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(house.lines().len(), 3, "{:?}", house.lines());
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn periodic_timer_keeps_its_step_and_makes_nothing_up() {
    let house = House::default();
    after(&house, "every 1000 /a").await;
    let kernel = open_at(&house, noon() + Duration::from_millis(10_400), vec![house.stored("/a")]).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(fired(&house), 1, "ten periods have passed");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(fired(&house), 2, "the eleventh");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fired(&house), 3);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn periodic_timer_skips_while_its_message_waits() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    kernel.halt(&addr("/b")).await;
    tell(&kernel, "/a", "every 100 /b").await;
    sleep(Duration::from_secs(1)).await;
    let waiting = kernel.actors().await.into_iter().map(|actor| actor.waiting).sum::<usize>();
    assert_eq!(waiting, 1);
    kernel.resume(&addr("/b")).await;
    sleep(Duration::from_millis(250)).await;
    assert!((3..=4).contains(&house.lines().len()), "{:?}", house.lines());
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn timer_outlives_a_crash_and_wakes_a_passivated_actor() {
    let house = House::default();
    let spec = ActorSpec { idle_stop: Some(Duration::from_millis(50)), ..house.stored("/a") };
    let kernel = house.open(vec![spec]).await;
    tell(&kernel, "/a", "in 1000 /a").await;
    tell(&kernel, "/a", "panic").await;
    sleep(Duration::from_millis(500)).await;
    let seen = kernel.actors().await;
    assert_eq!(seen[0].state, State::Passivated, "a timer keeps no incarnation");
    sleep(Duration::from_millis(505)).await;
    assert_eq!(fired(&house), 1);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn timer_is_cancelled_by_a_later_run() {
    let house = House::default();
    after(&house, "in 1000 /a; in 2000 /a").await;
    let kernel = open_at(&house, noon(), vec![house.stored("/a")]).await;
    tell(&kernel, "/a", "cancel 0; cancel 0").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(fired(&house), 1);
    assert_eq!(
        house.entries(),
        ["put 1", "timer /a, timer /a, take 1..2", "put 1", "timer gone, take 2..3", "put 1, timer gone", "take 3..4"]
    );
}

#[tokio::test(start_paused = true)]
async fn timer_id_is_never_given_again() {
    let house = House::default();
    for _ in 0..3 {
        after(&house, "in 1 /a; in 2 /a").await;
    }
    let ids: BTreeSet<_> = house.timers.lock().iter().copied().collect();
    assert_eq!(ids.len(), 6, "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn timers_of_all_runs_count_for_the_limit() {
    let house = House::default();
    let mut spec = house.stored("/a");
    spec.limits.max_timers = 2;
    for _ in 0..2 {
        let kernel = house.open(vec![spec.clone()]).await;
        tell(&kernel, "/a", "in 100000 /a").await;
        sleep(Duration::from_millis(1)).await;
        stop(&kernel).await;
    }
    let kernel = house.open(vec![spec]).await;
    tell(&kernel, "/a", "in 100000 /a").await;
    sleep(Duration::from_millis(1)).await;
    let letters = kernel.dead_letters();
    assert!(letters[0].reason.to_string().contains("has all 2 timers"), "{}", letters[0].reason);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn timer_of_a_failed_message_is_not_set() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    tell(&kernel, "/a", "in 10 /a; reject").await;
    kernel.wait_idle().await;
    assert_eq!(house.entries(), ["put 1", "take 1..2, letter rejected"]);
}

#[tokio::test(start_paused = true)]
async fn message_of_a_timer_without_space_is_a_letter_of_its_entry() {
    let house = House::default();
    let mut full = house.stored("/b");
    full.mailbox.capacity = 1;
    let kernel = house.open(vec![house.stored("/a"), full]).await;
    kernel.halt(&addr("/b")).await;
    tell(&kernel, "/b", "first").await;
    tell(&kernel, "/a", "in 10 /b").await;
    sleep(Duration::from_millis(20)).await;
    assert_eq!(house.entries()[3..], ["letter mailbox-full, timer gone"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn message_of_a_timer_to_no_actor_is_a_letter() {
    let house = House::default();
    let kernel = open_at(&house, noon(), vec![house.stored("/a"), house.stored("/b")]).await;
    tell(&kernel, "/a", "in 1000 /b").await;
    sleep(Duration::from_millis(1)).await;
    stop(&kernel).await;
    let kernel = open_at(&house, noon() + DAY, vec![house.stored("/a")]).await;
    kernel.wait_idle().await;
    let letters = kernel.dead_letters();
    assert_eq!((letters.len(), letters[0].to.as_str(), letters[0].reason.kind()), (1, "/b", "stopped"));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn timers_of_an_actor_that_is_gone_stay_in_the_store() {
    let house = House::default();
    after(&house, "in 1000 /a").await;
    let kernel = open_at(&house, noon() + DAY, vec![house.stored("/b")]).await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = open_at(&house, noon() + 2 * DAY, vec![house.stored("/a"), house.stored("/b")]).await;
    kernel.wait_idle().await;
    assert_eq!(fired(&house), 1);
}

#[tokio::test(start_paused = true)]
async fn timer_reaches_an_actor_in_memory() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.actor("/out", Keep::Memory)]).await;
    tell(&kernel, "/a", "in 10 /out").await;
    kernel.wait_idle().await;
    assert_eq!(house.lines().last().unwrap(), "/out a timer's 0");
    assert_eq!(house.entries(), ["put 1", "timer /out, take 1..2", "timer gone"]);
}

/// Sets a timer in `init`.
struct Alarm;

impl NativeActor for Alarm {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        ctx.tell_every(Duration::from_millis(100), "/b", "alarm").unwrap();
        Ok(())
    }

    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn timer_of_init_belongs_to_its_incarnation() {
    let house = House::default();
    let alarm = || ActorSpec { code: NativeLauncher::new(|| Alarm).into(), ..house.stored("/a") };
    for _ in 0..3 {
        let kernel = house.open(vec![alarm(), house.stored("/b")]).await;
        sleep(Duration::from_millis(150)).await;
        stop(&kernel).await;
    }
    assert_eq!(house.lines(), ["/b alarm 0"; 3]);
}
