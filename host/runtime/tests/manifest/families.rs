//! `[[family]]`: members, their bounds, and the senders that make them.

use std::time::Duration;

use playhouse_kernel::{CreatorSpec, FamilySpec, Keep, NamePattern};
use playhouse_runtime::Address;
use playhouse_runtime::manifest::flow::{Flow, arrows};

use crate::message::understood;

const USERS: &str = "[[family]]\naddress = \"/user/*\"\nplugin = \"count\"\n";
const ROUTE: &str =
    "[[http]]\nname = \"web\"\nlisten = \"127.0.0.1:8080\"\n[[http.route]]\npath = \"/u/:id\"\nask = \"/user/:id\"\n";

fn addr(text: &str) -> Address {
    Address::parse(text).expect("good")
}

/// The first line of each problem, and its way out.
#[track_caller]
fn refused(text: &str) -> String {
    understood(text).expect_err("not sound").render(false)
}

#[track_caller]
fn says(text: &str, what: &str, way_out: &str) {
    let message = refused(text);
    assert!(message.contains(what) && message.contains(way_out), "{message}");
}

#[test]
fn family_has_its_defaults() {
    let play = understood(USERS).expect("sound");
    let [actor] = &play.actors[..] else { panic!("{:?}", play.actors) };
    assert_eq!((actor.address.as_str(), actor.written()), ("/user", "/user/*".to_owned()));
    assert_eq!(actor.family.as_deref(), Some(&FamilySpec::new(100, 1_000_000)));
    assert_eq!(actor.settings.idle_stop, Some(Duration::from_mins(1)));
    assert!(actor.receives(&addr("/user/7")) && !actor.receives(&addr("/user")) && !actor.receives(&addr("/user/7/a")));
}

#[test]
fn family_has_its_keys() {
    let keys = "names = \"u[0-9]+\"\nlive = 5\nmembers = 9\ncreate = [\"/a\", \"/gate/web\", \"/\", \"/user/*\"]\ncreate_rate = 7\n\
                expire = \"30d\"\nidle_after = \"2s\"\nmailbox = { kind = \"durable\" }\nstate = {}\n";
    let actor = "[[actor]]\naddress = \"/a\"\nplugin = \"split\"\nsends_to = [\"/user/*\", \"/user/u1\"]\n";
    let play = understood(&format!("[play.store]\n{USERS}{keys}{actor}{ROUTE}")).expect("sound");
    let family = play.actors[0].family.as_deref().expect("a family");
    let creator = |at: &str| CreatorSpec { creator: addr(at), per_second: 7 };
    assert_eq!(
        *family,
        FamilySpec {
            names: NamePattern::parse("u[0-9]+").expect("good"),
            live: 5,
            members: 9,
            create: ["/a", "/gate/web", "/", "/user"].map(creator).into(),
            expire: Some(Duration::from_hours(30 * 24)),
        }
    );
    let settings = &play.actors[0].settings;
    assert_eq!((settings.mailbox.keep, settings.idle_stop), (Keep::Stored, Some(Duration::from_secs(2))));
    assert!(settings.state.is_some() && settings.grants.state);
    assert_eq!(play.actors[1].settings.sends_below, [addr("/user")]);
    assert_eq!(play.actors[1].settings.sends_to, [addr("/user/u1")]);
}

#[test]
fn families_and_actors_are_in_the_order_of_the_file() {
    let actor = |at: &str| format!("[[actor]]\naddress = \"{at}\"\nplugin = \"count\"\n");
    let play = understood(&format!("{}{USERS}{}", actor("/a"), actor("/b"))).expect("sound");
    assert_eq!(play.actors.iter().map(|actor| actor.address.as_str()).collect::<Vec<_>>(), ["/a", "/user", "/b"]);
}

#[test]
fn family_needs_the_address_of_its_members() {
    let at = |address: &str| USERS.replace("/user/*", address);
    says(&at("/user"), "`/user` is no address of a family", "did you mean \"/user/*\"?");
    says(&at("/*"), "`/*` is no address of a family", "\"/user/*\"");
    says(&at("/a/user/*"), "the family `/a/user/*` is not directly under `/`", "did you mean \"/user/*\"?");
    says(&at("/gate/*"), "`/gate` is in the place of gateways", "choose another name");
}

#[test]
fn no_other_actor_is_where_members_are() {
    let actor = |at: &str| format!("{USERS}[[actor]]\naddress = \"{at}\"\nplugin = \"split\"\n");
    says(&actor("/user"), "two actors have the address `/user`", "another name");
    says(&actor("/user/7"), "`/user/7` is in the place of the members of the family `/user/*`", "an address elsewhere");
    let native = format!("[play]\nnative = [\"/user/7\"]\n{USERS}");
    says(&native, "`/user/7` is in the place of the members", "an address elsewhere");
}

#[test]
fn message_needs_a_member_as_its_receiver() {
    let named = USERS.replace("plugin", "names = \"u[0-9]+\"\nplugin");
    let sender = |to: &str| format!("{named}[[actor]]\naddress = \"/a\"\nplugin = \"split\"\nsends_to = [\"{to}\"]\n");
    says(&sender("/user"), "`/user` is no actor", "\"/user/NAME\"");
    says(&sender("/user/x7"), "the family `/user/*` has no member `x7`", "\"/user/NAME\"");
    assert!(understood(&sender("/user/u7")).is_ok());
    let route = |to: &str| format!("{named}{}", ROUTE.replace("/user/:id", to));
    says(&route("/user"), "`/user` is no actor", "\"/user/:PARAMETER\"");
    says(&route("/user/x7"), "the family `/user/*` has no member `x7`", "\"/user/:PARAMETER\"");
    for to in ["/user/u7", "/user/:id"] {
        assert!(understood(&route(to)).is_ok(), "{to}");
    }
}

#[test]
fn body_of_a_route_fits_the_members() {
    let small = USERS.replace("plugin", "limits = { message = \"1KiB\" }\nplugin");
    let play = understood(&format!("{small}{ROUTE}")).expect("sound");
    assert_eq!(play.http[0].settings.routes[0].body_bytes, 1024);
    let large = ROUTE.replace("ask =", "body = \"2KiB\"\nask =");
    says(&format!("{small}{large}"), "of `/user/*`", "raise `limits.message` of `/user/*`");
}

#[test]
fn creator_must_be_there() {
    let create = |from: &str| format!("{USERS}create = [\"{from}\"]\n{ROUTE}");
    says(&create("/gate/wbe"), "no actor has the address `/gate/wbe`", "did you mean \"/gate/web\"?");
    says(&create("a"), "`a`", "`create` is a list of addresses");
    let twice = format!("{USERS}create = [\"/gate/web\", \"/gate/web\"]\n{ROUTE}");
    says(&twice, "`/gate/web` makes members twice", "leave one of them out");
}

#[test]
fn keys_that_do_nothing_are_refused() {
    let with = |line: &str| format!("{USERS}{line}\n");
    says(&with("idle = \"stay\""), "members of `/user/*` cannot stay", "idle = \"stop\"");
    says(
        &with("create_rate = 5"),
        "`/user/*` has `create_rate`, and nobody makes its members",
        "create = [\"/gate/web\"]",
    );
    says(&with("expire = \"30d\""), "`/user/*` has `expire`, and its members keep nothing", "kind = \"durable\"");
    says(
        &with("live = 2000"),
        "`live` of `/user/*` (2000) is more than `play.max_instances` (1000)",
        "raise `max_instances`",
    );
    assert!(understood(&with("live = 2000\nshare = true")).is_ok(), "members that share an instance take one");
    says(&with("limits = { subtree = { actors = 5 } }"), "`/user/*` has `limits.subtree`", "`live` and `members`");
    says(
        &with("mailbox = { kind = \"plugin\", plugin = \"split\" }"),
        "members of `/user/*` have a mailbox",
        "[[actor]]",
    );
    says(&with("names = \"[\""), "unclosed character class", "[a-z0-9-]{1,32}");
    says(&with("instances = 2"), "unknown key `instances`", "the keys here are");
    says(&with("state = {}"), "`/user/*` has state, and its mailbox is not durable", "kind = \"durable\"");
}

#[test]
fn members_spawn_no_durable_children() {
    let child = "[[plugin]]\nname = \"split\"\nmailbox = { kind = \"durable\" }\n";
    let text = format!("[play.store]\n{USERS}spawns = [\"split\"]\n{child}");
    says(&text, "members of `/user/*` spawn `split`, whose mailbox is durable", "let a family have this plugin");
}

#[test]
fn flow_shows_the_members_as_one_place() {
    let sender = "[[actor]]\naddress = \"/a\"\nplugin = \"split\"\nsends_to = [\"/user/*\"]\n";
    let family = USERS.replace("plugin", "sends_to = [\"/b\"]\nplugin");
    let last = "[[actor]]\naddress = \"/b\"\nplugin = \"report\"\n";
    let play = understood(&format!("{last}{family}{sender}{ROUTE}")).expect("sound");
    let flow = Flow::of(&play);
    let lines: Vec<_> = flow.lines().iter().map(|line| arrows(line)).collect();
    assert_eq!(lines, ["/a -> /user/* -> /b", "/gate/web -> /user/*"]);
    assert!(flow.stops_too_early().is_empty() && flow.cycles().is_empty());
}

#[test]
fn family_as_a_target_is_shown_as_it_is_written() {
    let sender = "[[actor]]\naddress = \"/a\"\nplugin = \"split\"\nsends_to = [\"/user/u1\", \"/user/*\", \"/**\"]\n";
    let play = understood(&format!("{USERS}{sender}")).expect("sound");
    assert_eq!(play.sends_to_written(&play.actors[1].settings), ["/user/u1", "/user/*", "/**"]);
}

/// `/a` stops after the members of `/user/*`, and after `/b`, `/boss` and its children.
#[test]
fn receiver_whose_messages_are_kept_is_not_too_early() {
    let early = |mailbox: &str| {
        let sends = "sends_to = [\"/user/*\", \"/b\", \"/boss/**\"]\n";
        let play = understood(&format!(
            "[play.store]\n[[actor]]\naddress = \"/a\"\nplugin = \"split\"\n{sends}{USERS}{mailbox}\
             [[actor]]\naddress = \"/b\"\nplugin = \"report\"\n{mailbox}\
             [[actor]]\naddress = \"/boss\"\nplugin = \"report\"\nspawns = [\"count\"]\nmailbox = {{ kind = \"durable\" }}\n\
             [[plugin]]\nname = \"count\"\n{mailbox}"
        ));
        let play = play.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let flow = Flow::of(&play);
        flow.stops_too_early().iter().map(|(from, to)| arrows(&[from, to])).collect::<Vec<_>>()
    };
    assert_eq!(early(""), ["/a -> /b", "/a -> /user/*", "/a -> /boss/**"]);
    assert_eq!(early("mailbox = { kind = \"durable\" }\n"), Vec::<String>::new());
}
