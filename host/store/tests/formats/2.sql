-- A store of format 2: that of `1.sql`, after its migration.
pragma application_id = 1349280121;
pragma user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE actor(
        id integer primary key,
        address text not null unique,
        halted integer,
        last_number integer not null,
        waiting integer not null,
        taken_below integer not null,
        taken_later blob not null,
        frames integer not null,
        state_keys integer not null,
        state_bytes integer not null,
        timers integer not null,
        timers_given integer not null,
        timers_chosen integer not null,
        suspects integer not null,
        checksum integer not null
    , frame_bytes integer not null default 0) strict;
INSERT INTO "actor" VALUES(1,'/a',1,5,4,2,X'04000000000000000500000000000000',2,1,69,1,7,8,1,105888229,339);
INSERT INTO "actor" VALUES(2,'/b',NULL,1,1,1,X'',1,0,0,0,0,0,0,2615923338,69);
INSERT INTO "actor" VALUES(3,'/c',0,0,0,1,X'',0,0,0,0,0,0,0,1445533447,0);
CREATE TABLE child(
        actor integer primary key,
        parent integer not null,
        plugin text not null,
        config blob not null,
        leaves integer not null,
        checksum integer not null
    ) strict;
CREATE TABLE child_count(
        id integer primary key check (id = 1),
        children integer not null,
        checksum integer not null
    ) strict;
INSERT INTO "child_count" VALUES(1,0,0);
CREATE TABLE frame(
        id integer primary key,
        mailbox integer not null,
        first integer not null,
        messages integer not null,
        records blob not null,
        checksum integer not null
    ) strict;
INSERT INTO "frame" VALUES(1,1,1,2,X'030000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000006F6E650300000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000074776F',881996356);
INSERT INTO "frame" VALUES(2,1,3,3,X'05000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000746872656504000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000666F75720400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000066697665',748026303);
INSERT INTO "frame" VALUES(3,2,1,1,X'050000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000006F74686572',3945999123);
CREATE TABLE held(
        mailbox integer not null,
        number integer not null,
        due_ns integer not null,
        record blob not null,
        checksum integer not null,
        primary key (mailbox, number)
    ) strict, without rowid;
INSERT INTO "held" VALUES(1,4,5,X'04000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000666F7572',25848736);
CREATE TABLE letter(
        number integer primary key,
        copy integer not null,
        record blob not null,
        recipient text not null,
        owner integer not null,
        sender text,
        kind text not null,
        why text not null,
        at_ns integer not null,
        checksum integer not null
    ) strict;
CREATE TABLE origin(
        id integer primary key,
        source text not null,
        position blob not null,
        value blob not null,
        checksum integer not null
    ) strict;
CREATE TABLE origin_count(
        id integer primary key check (id = 1),
        origins integer not null,
        checksum integer not null
    ) strict;
INSERT INTO "origin_count" VALUES(1,0,0);
CREATE TABLE state(
        id integer primary key,
        actor integer not null,
        key text not null,
        value blob not null,
        checksum integer not null
    ) strict;
INSERT INTO "state" VALUES(1,1,'sum',X'3432',3086075398);
CREATE TABLE store(
        id integer primary key check (id = 1),
        boots integer not null,
        last_entry integer not null,
        free_id integer not null,
        last_letter integer not null,
        letters integer not null,
        running integer not null,
        checksum integer not null
    ) strict;
INSERT INTO "store" VALUES(1,4,9,64,0,0,0,1138585813);
CREATE TABLE suspect(
        mailbox integer not null,
        number integer not null,
        ends integer not null,
        boot integer not null,
        checksum integer not null,
        primary key (mailbox, number)
    ) strict, without rowid;
INSERT INTO "suspect" VALUES(1,2,1,0,1574593592);
CREATE TABLE timer(
        row integer primary key,
        actor integer not null,
        id integer not null,
        due_ns integer not null,
        wait_ns integer not null,
        again integer not null,
        recipient text not null,
        record blob not null,
        checksum integer not null
    ) strict;
INSERT INTO "timer" VALUES(1,1,7,9,8,1,'/b',X'040000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000007469636B',4155087118);
CREATE UNIQUE INDEX frame_at on frame(mailbox, first);
CREATE UNIQUE INDEX state_at on state(actor, key);
CREATE UNIQUE INDEX timer_at on timer(actor, id);
CREATE UNIQUE INDEX origin_at on origin(source, position);
COMMIT;
