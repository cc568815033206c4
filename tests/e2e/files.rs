use std::io::Write;
use std::time::{Duration, Instant};

use crate::harness::{Host, actors, folder};
use crate::metrics::{METRICS, get, metrics_of};

#[test]
fn lines_of_a_file_come_in_and_letters_go_out_to_another() {
    let gateways = METRICS.to_owned()
        + "[play.dead_letters]\nto = \"/out/dead\"\n"
        + &actors(&[("/flaky", "flaky")])
        + "[[source]]\nname = \"log\"\nkind = \"file\"\npath = \"in.log\"\ntell = \"/flaky\"\n\
           [[sink]]\naddress = \"/out/dead\"\nkind = \"file\"\npath = \"dead.log\"\n\
           [[sink]]\naddress = \"/out/idle\"\nkind = \"file\"\npath = \"idle.log\"\n\
           [[cron]]\nname = \"yearly\"\nschedule = \"0 0 29 2 *\"\ntell = \"/flaky\"\nbody = \"x\"\n";
    let host = Host::start(folder(&gateways), &[]);
    host.actor_when("/gate/log", |source| source["status"] == "file: connected");
    let mut log = std::fs::File::create(host.folder.path().join("in.log")).unwrap();
    log.write_all(b"one\n!reject\ntwo\n").unwrap();
    host.actor_when("/flaky", |flaky| flaky["handled"] == 2);
    let dead = host.folder.path().join("dead.log");
    let until = Instant::now() + Duration::from_mins(1);
    let text = loop {
        let text = std::fs::read_to_string(&dead).unwrap_or_default();
        if text.ends_with('\n') || Instant::now() > until {
            break text;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let letter: serde_json::Value = serde_json::from_str(&text).expect("one letter");
    assert_eq!(
        (&letter["to"], &letter["from"], &letter["text"]),
        (&"/flaky".into(), &"/gate/log".into(), &"!reject".into())
    );
    assert_eq!(host.actor_when("/out/dead", |sink| sink["handled"] == 1)["plugin"], "native:Sink");
    let scraped = get(&metrics_of(&host), "/metrics");
    for line in [
        "playhouse_source_messages_total{source=\"/gate/log\",kind=\"file\",event=\"taken\"} 3\n",
        "playhouse_source_messages_total{source=\"/gate/log\",kind=\"file\",event=\"done\"} 3\n",
        "playhouse_sink_messages_total{sink=\"/out/dead\",kind=\"file\",event=\"done\"} 1\n",
        "playhouse_gateway_connected{gateway=\"/gate/log\",kind=\"file\"} 1\n",
        "playhouse_dead_letters_sent_total{event=\"sent\"} 1\n",
        "playhouse_cron_runs_total{entry=\"/gate/yearly\",event=\"run\"} 0\n",
    ] {
        assert!(scraped.contains(line), "{line}{scraped}");
    }
    let idle = "playhouse_gateway_connected{gateway=\"/out/idle\"";
    assert!(!scraped.contains(idle), "a sink without messages misses no file: {scraped}");
}
