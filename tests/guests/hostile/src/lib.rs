//! Guests that try to do harm. Each file in `acts` is one of them, named for its attempt; the config's `act` chooses
//! one for an actor. `tests/hostile` has the expected end of each. All are one component, so that they are compiled once.

#![allow(missing_docs)]

mod act;

use playhouse_sdk::{
    Actor, ChildFailed, Context, Directive, Message, Notice, Result, Supervisor, Watcher, export_actor, reject,
};

use act::{Act, QUIET};

macro_rules! acts {
    ($($name:ident)*) => {
        mod acts {
            $(pub(crate) mod $name;)*
        }

        fn find(name: &str) -> Option<Act> {
            match name {
                $(stringify!($name) => Some(acts::$name::ACT),)*
                _ => None,
            }
        }
    };
}

acts! {
    abort_the_process
    ask_itself
    ask_who_never_answers
    complain_for_megabytes
    connect_out
    count_ten_million_times
    count_what_is_not_declared
    exit_the_process
    fill_stderr
    fill_stderr_for_ever
    fill_stdout_that_nobody_reads
    fill_the_disk
    flood_a_neighbour
    grow_and_spawn_in_width_and_depth
    grow_memory
    hoard_permits_of_stdout
    keep_fields_that_were_deleted
    keep_requests_without_end
    list_a_large_folder_for_ever
    list_a_large_folder_without_end
    loop_in_child_failed
    loop_in_handler
    loop_in_init
    loop_in_noticed
    loop_in_prepare_children
    loop_in_shutdown
    name_a_method_for_megabytes
    name_itself_with_control_characters
    nothing
    observe_too_often_in_a_batch
    open_files_outside
    open_files_without_end
    open_pipes_without_end
    panic_in_child_failed
    panic_in_handler
    panic_in_init
    panic_in_noticed
    panic_in_prepare_children
    panic_in_shutdown
    poll_one_thing_a_million_times
    read_the_environment
    recurse
    reply_too_much
    retry_for_ever
    send_a_gigabyte
    send_a_million_messages
    send_to_the_ungranted
    set_timers_without_end
    sleep_for_ever
    log_megabytes_with_escapes
    log_ten_million_lines
    look_at_states_without_end
    wait_for_nothing_without_end
    sleep_in_init
    spawn_a_crowd_that_loops
    spawn_deeper_without_end
    spawn_in_circles
    spawn_the_ungranted
    spawn_with_a_library
    spawn_without_end
    watch_without_end
    write_lines_that_forge_the_log
}

struct Hostile(Act);

impl Default for Hostile {
    fn default() -> Self {
        Self(QUIET)
    }
}

export_actor!(Hostile, supervisor, watcher);

impl Actor for Hostile {
    fn init(&mut self, ctx: &mut Context) -> Result {
        let name = ctx.config("act").unwrap_or_default();
        self.0 = find(&name).ok_or_else(|| reject(format!("there is no act {name:?}")))?;
        (self.0.init)(ctx)
    }

    fn prepare_children(&mut self, ctx: &mut Context) -> Result {
        (self.0.prepare_children)(ctx)
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        (self.0.handle)(&msg, ctx)
    }

    fn shutdown(&mut self, ctx: &mut Context) -> Result {
        (self.0.shutdown)(ctx)
    }
}

impl Supervisor for Hostile {
    fn child_failed(&mut self, _: ChildFailed, ctx: &mut Context) -> Directive {
        (self.0.child_failed)(ctx)
    }
}

impl Watcher for Hostile {
    fn noticed(&mut self, _: Notice, ctx: &mut Context) -> Result {
        (self.0.noticed)(ctx)
    }
}
