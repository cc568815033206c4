//! Every rule at every door.

use crate::puppet::Door;
use crate::rules;

macro_rules! at_every_door {
    ($($rule:ident)*) => {
        $(mod $rule {
            use super::{Door, rules};

            #[tokio::test(start_paused = true)]
            async fn native() {
                rules::$rule(Door::Native).await;
            }

            #[tokio::test(start_paused = true)]
            async fn plain() {
                rules::$rule(Door::Plain).await;
            }

            #[tokio::test(start_paused = true)]
            async fn turns() {
                rules::$rule(Door::Turns).await;
            }
        })*
    };
}

at_every_door! {
    messages_are_handled_in_order_many_in_one_call
    effects_of_a_failed_message_are_dropped
    the_poison_message_alone_is_blamed_and_every_other_is_handled_once
    an_ask_commits_the_finished_prefix_first
    what_an_ask_committed_is_not_handled_again_after_a_crash
    what_a_message_told_before_its_ask_is_dropped_when_it_fails
    a_retry_comes_back_and_others_may_overtake_it
    the_last_attempt_makes_a_dead_letter
    each_asker_gets_the_reply_to_its_own_message
    a_crash_fails_asks_at_once_with_its_typed_reason
    a_reply_that_is_too_large_rejects_its_message
    a_sender_may_be_told_for_its_own_messages_only
    a_refused_send_fails_its_message_alone
    the_envelope_is_that_of_the_message_in_hand
    more_than_a_frame_holds_goes_out_in_order
    a_restarted_actor_finds_its_routes_again
    a_child_told_in_the_turn_that_made_it_gets_the_message
    a_spawn_of_a_failed_message_never_happens
    a_spawn_of_a_crashed_batch_happens_once
    what_may_not_be_spawned_or_stopped_is_refused_with_its_reason
    a_child_is_stopped_when_its_turn_commits_and_its_name_is_free_when_it_is_gone
    a_batch_tells_a_child_that_was_stopped_and_spawned_again
    timers_are_set_when_their_turn_commits_and_tell_in_order
    timers_die_with_their_incarnation
    a_cancelled_timer_does_not_tell
    an_actor_has_no_more_timers_than_its_limit
    a_timer_needs_a_receiver_that_may_be_told
    an_actor_goes_on_after_more_children_than_it_keeps_routes_for
    a_watcher_is_told_what_becomes_of_others
    a_turn_that_does_too_much_is_a_crash_and_nothing_of_it_is_committed
    more_bytes_than_a_turn_may_send_are_a_crash
    a_parent_has_a_word_about_a_child_that_failed
    an_actor_is_told_what_came_of_each_message_and_after_a_crash_in_its_next_run
    a_callback_that_crashes_blames_no_message_and_does_so_once
    a_broadcast_reaches_all_children_in_the_place_of_a_tell_or_nobody
}
