//! The counted work of the kernel. `per_N`: the counted work is done N times, and the table has the count of one.

// The macros name the counted functions for the linker, which counts as unsafe code.
#![allow(missing_docs, unsafe_code)]

use gungraun::{library_benchmark, library_benchmark_group, main};
use playhouse_instructions::Scene;

// Messages are recorded, committed and pushed in a run, then taken 64 at a time and handled.
#[library_benchmark]
#[bench::per_1024(Scene::source_and_sink())]
fn tell_in_batches(scene: Scene) -> Scene {
    scene.feed(1024, 1)
}

// Each message wakes an actor, which handles it and sends the next.
#[library_benchmark]
#[bench::per_1024(Scene::ping_and_pong())]
fn tell_alone(scene: Scene) -> Scene {
    scene.bounce(1024)
}

// One message comes in; eight messages are sent and handled.
#[library_benchmark]
#[bench::per_1024(Scene::hub_and_eight_sinks())]
fn fan_out_to_eight(scene: Scene) -> Scene {
    scene.feed(1024, 8)
}

// The work of `tell_in_batches` twice, and between them the host's part of a batch that crosses as a frame: the batch is
// flattened, and the answer is read and recorded.
#[library_benchmark]
#[bench::per_1024(Scene::relay())]
fn relay_in_frames(scene: Scene) -> Scene {
    scene.feed(1024, 1)
}

// Messages come from outside, one by one, into the mailbox of a stopped actor.
#[library_benchmark]
#[bench::per_1024(Scene::stopped_sink())]
fn push(scene: Scene) -> Scene {
    scene.push(1024)
}

// An actor starts and takes its waiting messages; the start is a small part of the count.
#[library_benchmark]
#[bench::per_1024(Scene::stopped_sink().push(1024))]
fn take(scene: Scene) -> Scene {
    scene.take(1024)
}

#[library_benchmark]
#[bench::per_1024(Scene::answer())]
fn ask_one_at_a_time(scene: Scene) -> Scene {
    scene.ask(1024)
}

#[library_benchmark]
#[bench::per_128(Scene::fragile())]
fn crash_to_next_answer(scene: Scene) -> Scene {
    scene.crash(128)
}

library_benchmark_group!(
    name = kernel;
    benchmarks =
        tell_in_batches,
        tell_alone,
        fan_out_to_eight,
        relay_in_frames,
        push,
        take,
        ask_one_at_a_time,
        crash_to_next_answer
);

main!(library_benchmark_groups = kernel);
