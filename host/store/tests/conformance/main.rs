//! The rules of a store, which each store must pass: the one in memory, which is the model, and the one on SQLite. A rule is an
//! async function of a [`Home`]; `rules!` makes a test of it for each store.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod actors;
mod entries;
mod histories;
mod home;
mod mailboxes;
mod states;
mod two;
mod values;
mod words;

/// One test for each store and each rule.
macro_rules! rules {
    ($($module:ident: $($rule:ident),+;)+) => {
        mod memory {
            $($(#[tokio::test] async fn $rule() { crate::$module::$rule(crate::home::InMemory::default()).await; })+)+
        }
        mod sqlite {
            $($(#[tokio::test] async fn $rule() { crate::$module::$rule(crate::home::OnDisk::default()).await; })+)+
        }
        mod small_pages {
            $($(#[tokio::test] async fn $rule() {
                crate::$module::$rule(crate::home::OnDisk::with_small_pages()).await;
            })+)+
        }
    };
}

rules! {
    actors:
        new_store_is_empty,
        each_opening_is_one_more_start,
        written_groups_are_there_at_the_next_start,
        actor_is_found_by_its_address_until_it_is_gone,
        actor_is_read_with_a_small_state,
        children_of_an_address_come_in_order_and_in_pages,
        numbers_and_ids_are_never_given_again,
        last_order_of_an_operator_counts,
        child_comes_back_as_it_was_spawned,
        child_that_is_gone_leaves_nothing,
        child_that_comes_and_goes_in_one_group_leaves_nothing,
        run_that_did_not_end_in_order_is_unclean;
    mailboxes:
        messages_come_in_order_and_in_pages,
        held_messages_come_alone,
        bytes_are_those_of_messages_in_order,
        taken_messages_are_gone,
        messages_are_taken_in_any_order,
        held_message_has_its_time_and_its_new_record,
        message_that_ends_in_its_group_leaves_its_number,
        letters_come_in_order_and_in_pages,
        mailboxes_are_apart,
        large_messages_come_back_whole,
        suspects_stay_until_they_end;
    states:
        state_is_that_of_the_last_changes,
        keys_come_in_order_and_in_pages,
        large_values_come_back_whole,
        origins_are_those_of_the_last_changes,
        timers_come_back_as_they_were_set_last,
        ids_of_timers_are_never_given_again;
    entries:
        entry_that_cannot_be_true_ends_the_store;
    values:
        value_comes_back_with_its_time,
        keys_are_those_whose_time_is_not_over,
        value_is_removed_when_its_time_is_over,
        value_that_is_set_again_is_not_removed,
        times_of_a_clock_that_was_ahead_are_shortened;
    histories:
        random_histories_are_as_in_the_model;
}
