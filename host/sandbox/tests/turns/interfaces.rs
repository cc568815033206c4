//! Each rule at each of the interfaces of an actor (`Interface`).

use crate::puppet::Interface;
use crate::rules;

macro_rules! at_every_interface {
    ($($rule:ident)*) => {
        $(mod $rule {
            use super::{Interface, rules};

            #[tokio::test(start_paused = true)]
            async fn native() {
                rules::$rule(Interface::Native).await;
            }

            #[tokio::test(start_paused = true)]
            async fn plain() {
                rules::$rule(Interface::Plain).await;
            }

            #[tokio::test(start_paused = true)]
            async fn turns() {
                rules::$rule(Interface::Turns).await;
            }

            #[tokio::test(start_paused = true)]
            async fn component() {
                rules::$rule(Interface::Component).await;
            }

            #[tokio::test(start_paused = true)]
            async fn shared() {
                rules::$rule(Interface::Shared).await;
            }
        })*
    };
}

at_every_interface! {
    messages_are_handled_in_order_many_in_one_call
    effects_of_a_failed_message_are_dropped
    only_the_poison_message_is_blamed
    an_ask_commits_the_finished_prefix_first
    ask_commits_are_not_handled_again_after_a_crash
    failed_message_drops_its_tells_before_an_ask
    a_retry_comes_back_and_others_may_overtake_it
    the_last_attempt_makes_a_dead_letter
    each_asker_gets_the_reply_to_its_own_message
    a_crash_fails_asks_at_once_with_its_typed_reason
    a_reply_that_is_too_large_rejects_its_message
    reply_tell_is_allowed_for_the_senders_own_messages_only
    a_refused_send_fails_its_message_alone
    envelope_is_that_of_the_current_message
    optional_parts_reach_the_handler_and_the_asker
    sends_beyond_one_frame_go_out_in_order
    a_restarted_actor_finds_its_routes_again
    child_gets_a_message_of_the_turn_that_spawned_it
    a_spawn_of_a_failed_message_never_happens
    a_spawn_of_a_crashed_batch_happens_once
    refused_spawn_or_stop_has_its_reason
    stopped_child_frees_its_name_when_it_ended
    a_batch_tells_a_child_that_was_stopped_and_spawned_again
    timers_are_set_when_their_turn_commits_and_tell_in_order
    timers_die_with_their_incarnation
    a_cancelled_timer_does_not_tell
    an_actor_has_no_more_timers_than_its_limit
    timer_needs_a_granted_receiver
    actor_spawns_more_children_than_it_keeps_routes_for
    watcher_gets_a_notice_for_each_change
    turn_beyond_its_limits_crashes_without_a_commit
    more_bytes_than_a_turn_may_send_are_a_crash
    metrics_are_effects_of_their_message
    refused_metric_is_an_error_to_its_handler
    count_beyond_the_limit_is_a_crash
    parent_decides_about_a_failed_child
    callback_gets_each_outcome_also_after_a_crash
    callback_crash_blames_no_message_and_happens_once
    broadcast_reaches_all_children_or_none
}
