//! The plan of a play.

use std::collections::BTreeMap;
use std::sync::Arc;

use playhouse_kernel::{
    ActorGrants, ActorSpec, Address, Bounds, Clock, Config, FamilySpec, Keep, Launcher, MailboxSpec, Plan, RestartSpec,
    StateSpec, SupervisionSpec, Template,
};

use super::{Code, Stage};
use crate::play::{Kind, Role, Who};

pub fn plan(stage: &Stage, seed: u64) -> Plan {
    let planned = (0..stage.play.roles.len()).filter(|&who| !stage.play.roles[who].comes_and_goes());
    let specs = planned.map(|who| spec(stage, who));
    Plan {
        actors: family(stage).into_iter().chain(specs).collect(),
        plugins: BTreeMap::from([("child".to_owned(), Arc::new(Children(stage.clone())) as Arc<dyn Template>)]),
        supervision: SupervisionSpec { intensity: 10_000, ..SupervisionSpec::default() },
        clock: Clock::from(Arc::new(stage.clone())),
        seed,
        ..Plan::default()
    }
}

/// The family, if the play has one. Everybody may make its members, so that none is refused.
fn family(stage: &Stage) -> Option<ActorSpec> {
    let roles = &stage.play.roles;
    let member = roles.iter().position(|role| role.is_member)?;
    let family = FamilySpec::new(stage.play.live, 1000).created_by(Address::root(), u32::MAX);
    let creators = roles.iter().filter(|role| role.parent.is_none() && !role.is_member).map(|role| &role.address);
    let above = Address::parse("/user").unwrap();
    let creators = creators.chain([&above]);
    let family = creators.fold(family, |family, creator| family.created_by(creator.clone(), u32::MAX));
    let targets = roles.iter().filter(|role| role.is_member).flat_map(|role| &role.targets);
    let sends_to = targets.map(|&to| roles[to].address.clone()).collect();
    let code: Arc<dyn Launcher> = Arc::new(Code { stage: stage.clone(), who: None });
    let of_member = spec(stage, member);
    Some(ActorSpec {
        address: above,
        code: code.into(),
        grants: ActorGrants { sends_to, ..ActorGrants::default() },
        family: Some(Arc::new(family)),
        ..of_member
    })
}

/// The children of all actors, by their addresses.
struct Children(Stage);

impl Template for Children {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        let is_it = |role: &Role| role.parent.is_some() && role.address == address;
        match self.0.play.roles.iter().position(is_it) {
            Some(who) => spec(&self.0, who),
            // The kernel looks at one before there is any.
            None => ActorSpec::new(address, Arc::new(Code { stage: self.0.clone(), who: None }) as Arc<dyn Launcher>),
        }
    }
}

fn spec(stage: &Stage, who: Who) -> ActorSpec {
    let role = &stage.play.roles[who];
    let code: Arc<dyn Launcher> = Arc::new(Code { stage: stage.clone(), who: Some(who) });
    let targets = role.targets.iter().map(|&to| stage.play.roles[to].address.clone());
    let spawns = stage.play.children_of(who).next().map(|_| "child".to_owned());
    ActorSpec {
        instances: role.instances,
        batch: role.batch,
        idle_stop: role.idle_stop,
        reaches_outside: role.kind == Kind::Outside,
        state: role.state.map(|cache_bytes| Box::new(StateSpec { cache_bytes, ..StateSpec::default() })),
        mailbox: MailboxSpec {
            capacity: role.capacity,
            memory_bytes: role.memory,
            overflow: role.overflow,
            block_timeout: role.block_timeout,
            keep: if role.kind == Kind::Memory { Keep::Memory } else { Keep::Stored },
            ..MailboxSpec::default()
        },
        restart: RestartSpec { attempts: role.attempts, backoff: role.backoff, ..RestartSpec::default() },
        grants: ActorGrants {
            sends_to: targets.collect(),
            spawns: spawns.into_iter().collect(),
            ..ActorGrants::default()
        },
        ..ActorSpec::new(role.address.clone(), code)
    }
}
