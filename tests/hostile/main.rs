//! Guests that try to do harm, one file each: those in Rust in `tests/guests/hostile/src/acts`, those in WebAssembly in `wat`.
//!
//! Each guest acts several times beside a neighbour that continues to answer, and must end as the list here says: in a crash
//! with a typed reason, or refused with a typed error. After that the host lives, nothing of the guest is left, and the memory
//! has not grown. `house.rs` has the play and the checks, `meters.rs` the measurements, `bombs.rs` components that are refused
//! before they run.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod bombs;
mod house;
mod meters;
mod pen;
#[allow(dead_code)]
#[path = "../../host/sandbox/tests/sandbox/template.rs"]
mod template;

use playhouse_kernel::{AskError, CrashReason};

use house::{Ending, Guest, rust, wat};

/// The way to provoke a guest, and its required end.
enum Fate {
    /// The start fails.
    AtStart(&'static str),
    /// One message makes the guest crash.
    OnMessage(&'static str),
    /// A batch of several messages makes the guest crash.
    OnBatch(&'static str),
    /// The stop makes the guest crash.
    OnStop(&'static str),
    /// Each attempt of the guest is refused; the guest replies so, and does not crash.
    Refused,
    /// The message fails with these words in the reason.
    Fails(&'static str),
    /// The guest runs on and does no harm.
    Lives,
}

use Fate::{AtStart, Fails, Lives, OnBatch, OnMessage, OnStop, Refused};

fn meets(guest: Guest, fate: &Fate) {
    let crashes = |ending: &Ending, words: &str| {
        let Ending::Crash(reason) = ending else { panic!("{ending:?}, and a crash was expected: {words}") };
        let said = format!("{}: {reason}", reason.kind());
        assert!(said.contains(words), "{said:?}, and {words:?} was expected");
        // A frame of another version is refused before the fault that its guest is about.
        assert!(!said.contains("of version") || words.contains("version"), "{said:?}");
        assert!(!matches!(reason, CrashReason::Panic { .. }) || said.starts_with("panic"));
    };
    match *fate {
        AtStart(words) => guest.starts(|ending| crashes(ending, words)),
        OnMessage(words) => guest.gets(1, |ending| crashes(ending, words)),
        OnBatch(words) => guest.gets(12, |ending| crashes(ending, words)),
        OnStop(words) => guest.stops(|ending| crashes(ending, words)),
        Refused => guest.answers(|ending| match ending {
            Ending::Answer(Ok(reply)) => assert_eq!(String::from_utf8_lossy(reply), "refused"),
            other => panic!("{other:?}"),
        }),
        Fails(words) => guest.answers(|ending| match ending {
            Ending::Answer(Err(
                AskError::Failed(reason) | AskError::Rejected(reason) | AskError::RetriesSpent(reason),
            )) => {
                assert!(reason.contains(words) && reason.len() < 5000, "{reason:?}");
            }
            other => panic!("{other:?}"),
        }),
        Lives => guest.lives(12),
    }
}

macro_rules! guests {
    ($($kind:ident $name:ident $(.$change:ident($value:expr))* => $fate:expr;)*) => {
        $(#[test]
        fn $name() {
            let _alone = house::alone();
            meets($kind(stringify!($name))$(.$change($value))*, &$fate);
        })*

        const RUST: &[&str] = &[$(if_rust!($kind $name)),*];
        const WAT: &[&str] = &[$(if_wat!($kind $name)),*];
    };
}

macro_rules! if_rust {
    (rust $name:ident) => {
        stringify!($name)
    };
    (wat $name:ident) => {
        ""
    };
}

macro_rules! if_wat {
    (wat $name:ident) => {
        stringify!($name)
    };
    (rust $name:ident) => {
        ""
    };
}

guests! {
    rust loop_in_init.cpu_ms(50) => AtStart("cpu");
    rust loop_in_prepare_children.cpu_ms(50) => AtStart("cpu");
    rust loop_in_handler.cpu_ms(50) => OnMessage("cpu");
    rust loop_in_child_failed.cpu_ms(50) => OnMessage("cpu");
    rust loop_in_noticed.cpu_ms(50) => OnMessage("cpu");
    rust loop_in_shutdown.cpu_ms(50) => OnStop("cpu");
    wat loop_at_instantiation.cpu_ms(50) => AtStart("cpu");
    wat copy_all_memory.cpu_ms(50) => OnMessage("cpu");
    wat fill_all_memory.cpu_ms(50) => OnMessage("cpu");
    wat ask_for_memory_for_ever.cpu_ms(50) => OnMessage("cpu");

    rust panic_in_init => AtStart("panic");
    rust panic_in_prepare_children => AtStart("panic");
    rust panic_in_handler => OnMessage("panic");
    rust panic_in_child_failed => OnMessage("panic");
    rust panic_in_noticed => OnMessage("panic");
    rust panic_in_shutdown => OnStop("panic");
    rust name_itself_with_control_characters => OnMessage("panic");
    rust abort_the_process => OnMessage("trap");
    wat trap => OnMessage("trap");
    wat trap_at_instantiation => AtStart("trap");
    wat divide_by_zero => OnMessage("trap");
    wat call_a_null => OnMessage("trap");
    wat read_beyond_its_memory => OnMessage("trap");
    wat reply_with_a_huge_length => OnMessage("trap");
    wat return_nowhere => OnMessage("trap");
    wat send_to_no_text => OnMessage("trap");
    wat log_with_an_unknown_level => OnMessage("trap");
    wat frame_outside_of_its_memory => OnBatch("trap");
    rust exit_the_process => OnMessage("exit");

    rust grow_memory => OnMessage("limits.memory");
    rust grow_and_spawn_in_width_and_depth.subtree_mib(40) => OnMessage("limits.subtree.memory");
    wat grow_memory_page_by_page => OnMessage("limits.memory");
    wat declare_huge_memory => AtStart("limits.memory");
    wat grow_tables => OnMessage("limit");
    rust recurse => OnMessage("play.limits.stack");

    rust send_a_million_messages => OnMessage("limits.effects");
    rust send_a_gigabyte => OnMessage("limits.effect_bytes");
    rust count_ten_million_times => OnMessage("limits.effects");
    rust observe_too_often_in_a_batch => OnBatch("limits.effects");
    rust count_what_is_not_declared => Refused;
    rust spawn_with_a_library => OnMessage("bytes of config");
    wat hand_over_without_end => OnBatch("limits.effect_bytes");
    wat leak_resources => OnMessage("limits.resources");
    rust name_a_method_for_megabytes => OnMessage("limit: asked for more than 65536 bytes");
    rust keep_requests_without_end.resources(1024) => OnMessage("64 times limits.request_head");
    rust keep_fields_that_were_deleted.resources(1024) => OnMessage("limits.resources");
    rust poll_one_thing_a_million_times => OnMessage("pollables in one list (limits.resources)");
    rust hoard_permits_of_stdout.resources(1024) => OnMessage("limit: asked for more than 10 waits");
    wat take_random_bytes_without_end => OnMessage("random bytes");
    rust flood_a_neighbour => Lives;
    rust fill_stderr => Refused;
    rust log_ten_million_lines.cpu_ms(200) => OnMessage("cpu");
    rust log_megabytes_with_escapes => Refused;
    rust fill_stdout_that_nobody_reads.timeout_ms(200) => Lives;
    wat write_without_a_permit => OnMessage("limit: asked for more than the 0 bytes that `check-write` permitted");
    wat write_zeroes_without_a_permit => OnMessage("limit: asked for more than `check-write` permitted");

    rust wait_for_nothing_without_end.cpu_ms(50) => OnMessage("cpu");
    rust look_at_states_without_end.cpu_ms(50) => OnMessage("cpu");
    rust sleep_for_ever.timeout_ms(200) => OnMessage("limits.timeout");
    rust ask_who_never_answers.timeout_ms(200) => OnMessage("limits.timeout");
    rust sleep_in_init.start_ms(200) => AtStart("limits.start");
    rust ask_itself => Refused;
    rust retry_for_ever => Fails("later");
    rust complain_for_megabytes => Fails("why?");
    rust reply_too_much => Fails("limits.message");

    rust send_to_the_ungranted => Refused;
    rust spawn_the_ungranted => Refused;
    rust spawn_in_circles => Refused;
    rust spawn_without_end => Refused;
    rust spawn_deeper_without_end => Refused;
    rust set_timers_without_end => Refused;
    rust watch_without_end => Refused;
    rust open_files_outside => Refused;
    rust open_files_without_end.with_folders(true).descriptors(50) => Refused;
    rust open_pipes_without_end.with_folders(true) => Refused;
    rust list_a_large_folder_without_end.with_folders(true) => OnMessage("limits.resources");
    rust list_a_large_folder_for_ever.with_folders(true).cpu_ms(50) => OnMessage("limits.cpu");
    rust fill_the_disk.with_folders(true) => Refused;
    rust read_the_environment => Refused;
    rust connect_out => Refused;

    wat truncated_frame => OnBatch("bad-frame");
    wat frame_of_huge_lengths => OnBatch("bad-frame");
    wat frame_with_overlapping_ends => OnBatch("bad-frame");
    wat frame_to_an_unknown_route => OnBatch("bad-frame");
    wat frame_of_the_wrong_version => OnBatch("bad-frame: returned a bad frame: a frame of version 77");
    wat frame_of_an_unknown_kind => OnBatch("bad-frame");
    wat frame_without_an_outcome => OnBatch("bad-frame");
    wat frame_with_too_many_outcomes => OnBatch("bad-frame");
    wat frame_that_ends_a_message_twice => OnBatch("bad-frame");
    wat stop_a_neighbour => OnBatch("bad-frame");
    wat use_a_stale_number => OnBatch("bad-frame");
    wat forge_a_sender => OnBatch("bad-frame");
    wat forge_a_reply_token => Lives;
    wat hand_over_outside_of_a_batch => OnMessage("bad-frame");
}

/// Components that are refused before they run, and words of the refusal.
const REFUSED: [(&str, &str); 3] = [
    ("export_a_hook_of_another_type", "does not match wit/actor.wit"),
    ("import_the_unknown", "which this host does not provide"),
    ("declare_a_huge_table", "allows 65536"),
];

#[test]
fn component_that_is_no_actor_is_refused_before_it_runs() {
    let _alone = house::alone();
    for (name, words) in REFUSED {
        let error = house::load(name, &house::wasm(name)).err().expect("it must be refused").to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
}

#[test]
fn each_guest_file_has_a_test() {
    let names = |folder: &str| {
        let files = std::fs::read_dir(playhouse_tests::root().join(folder)).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let sorted = |listed: &[&str], more: &[&str]| {
        let mut all: Vec<_> =
            listed.iter().chain(more).filter(|name| !name.is_empty()).map(ToString::to_string).collect();
        all.sort();
        all
    };
    // `nothing` is a child of other guests; the others act in `tests/e2e`.
    let elsewhere = ["nothing", "spawn_a_crowd_that_loops", "fill_stderr_for_ever", "write_lines_that_forge_the_log"];
    assert_eq!(names("tests/guests/hostile/src/acts"), sorted(RUST, &elsewhere));
    assert_eq!(names("tests/hostile/wat"), sorted(WAT, &REFUSED.map(|(name, _)| name)));
}
