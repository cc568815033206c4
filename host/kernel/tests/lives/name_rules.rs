//! Members whose names do not fit the pattern of their family any more.

use std::sync::Arc;

use playhouse_kernel::{ActorSpec, FamilySpec, NamePattern, SendError, StateOrderError};

use crate::family_rules::{asked, users};
use crate::house::{House, SOON, addr, stop, tell};

#[tokio::test(start_paused = true)]
async fn member_comes_back_when_its_name_fits_again() {
    let house = House::default();
    let kernel = house.open(vec![users(&house)]).await;
    tell(&kernel, "/user/7", "set k one").await;
    stop(&kernel).await;
    let letters = NamePattern::parse("[a-z]+").unwrap();
    let family = FamilySpec { names: letters, ..FamilySpec::new(10, 100).created_by(addr("/"), 1_000) };
    let narrower = ActorSpec { family: Some(Arc::new(family)), ..users(&house) };
    let kernel = house.open(vec![narrower]).await;
    let refused = kernel.tell(&addr("/user/7"), b"set k two", SOON).await;
    assert_eq!(refused, Err(SendError::UnknownAddress(addr("/user/7"))));
    stop(&kernel).await;
    let kernel = house.open(vec![users(&house)]).await;
    assert_eq!(asked(&kernel, "/user/7", "get k").await, "one");
}

#[tokio::test(start_paused = true)]
async fn state_of_a_member_that_is_left_out_is_only_stored() {
    let house = House::default();
    let kernel = house.open(vec![users(&house)]).await;
    tell(&kernel, "/user/7", "set k one").await;
    stop(&kernel).await;
    let family = FamilySpec { names: NamePattern::parse("[a-z]+").unwrap(), ..FamilySpec::new(10, 100) };
    let kernel = house.open(vec![ActorSpec { family: Some(Arc::new(family)), ..users(&house) }]).await;
    let change = |member: &str| (addr(member), vec![("k".to_owned(), None)]);
    let (seven, unset) = change("/user/7");
    assert_eq!(kernel.state_value(&seven, "k").await, Ok(Some(b"one".to_vec())));
    assert_eq!(kernel.change_state(&seven, unset).await, Err(StateOrderError::OnlyStored(seven)));
    let (nobody, unset) = change("/user/8");
    assert_eq!(kernel.change_state(&nobody, unset).await, Err(StateOrderError::UnknownAddress(nobody)));
}
