BEGIN TRANSACTION;
CREATE TABLE asks (
	plan_id TEXT NOT NULL, 
	question_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	max_k INTEGER NOT NULL, 
	info_access INTEGER NOT NULL, 
	company_name TEXT, 
	reask_after_seq INTEGER, 
	batch_limit INTEGER DEFAULT '100' NOT NULL, 
	PRIMARY KEY (plan_id, question_id)
);
INSERT INTO "asks" VALUES('6ef5726b0e0748de',1,0,3,3,NULL,NULL,100);
INSERT INTO "asks" VALUES('6ef5726b0e0748de',2,1,3,3,NULL,NULL,100);
INSERT INTO "asks" VALUES('aff68425bedb419c',1,0,3,3,NULL,NULL,100);
INSERT INTO "asks" VALUES('aff68425bedb419c',3,1,3,3,NULL,NULL,100);
CREATE TABLE batches (
	batch_no INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	token TEXT NOT NULL, 
	plan_id TEXT NOT NULL, 
	partition_key TEXT NOT NULL, 
	state TEXT NOT NULL, 
	tasks INTEGER NOT NULL, 
	owner_id TEXT NOT NULL, 
	key_hash TEXT NOT NULL, 
	vendor_batch_id TEXT, 
	intent_at DATETIME NOT NULL, 
	deadline_at DATETIME NOT NULL, 
	submitted_at DATETIME, 
	ready_at DATETIME, 
	collected_at DATETIME, 
	polls INTEGER DEFAULT '0' NOT NULL, 
	next_poll_at DATETIME, 
	held_by TEXT, 
	gone_polls INTEGER DEFAULT '0' NOT NULL, 
	gone_since DATETIME, 
	budget_day TEXT NOT NULL, 
	reserved_credits FLOAT, 
	settled_credits FLOAT, 
	evidence TEXT, 
	run_id TEXT NOT NULL, 
	UNIQUE (token), 
	UNIQUE (vendor_batch_id)
);
INSERT INTO "batches" VALUES(1,'7454424a8e8747679f5935205c51821c','6ef5726b0e0748de','a.csv','collected',2,'the-machine-of-old','the tests'' key','vendor-1','2026-11-25 15:52:50.186820','2026-11-25 15:54:55.186820','2026-11-25 15:52:50.250321',NULL,'2026-11-25 15:52:50.435372',0,NULL,NULL,0,NULL,'2026-11-25',66.0,6.0,'','run');
INSERT INTO "batches" VALUES(2,'5a0f2d66a7204693aa895310cdfda9f2','aff68425bedb419c','b.csv','submitted',1,'the-machine-of-old','the tests'' key','vendor-2','2026-11-25 15:52:50.683401','2026-11-25 15:54:55.683401','2026-11-25 15:52:50.740024',NULL,NULL,0,'2026-11-25 15:52:50.740024',NULL,0,NULL,'2026-11-25',33.0,NULL,'','run');
CREATE TABLE events (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at DATETIME NOT NULL, 
	actor TEXT NOT NULL, 
	batch_no INTEGER, 
	move TEXT NOT NULL, 
	from_state TEXT, 
	to_state TEXT, 
	reason TEXT, 
	detail TEXT
);
INSERT INTO "events" VALUES(1,'2026-11-25 15:52:49.923033','tests',NULL,'plan',NULL,NULL,NULL,'{"partition_key": "a.csv", "plan_id": "6ef5726b0e0748de"}');
INSERT INTO "events" VALUES(2,'2026-11-25 15:52:50.219721','tests',1,'claim',NULL,'sending',NULL,'{"tasks": 2, "reserved_credits": 66.0}');
INSERT INTO "events" VALUES(3,'2026-11-25 15:52:50.284961','tests',1,'accept','sending','submitted',NULL,NULL);
INSERT INTO "events" VALUES(4,'2026-11-25 15:52:50.370664','tests',1,'collect',NULL,NULL,NULL,'{"ended": 2}');
INSERT INTO "events" VALUES(5,'2026-11-25 15:52:50.485763','tests',1,'settle','submitted','collected',NULL,NULL);
INSERT INTO "events" VALUES(6,'2026-11-25 15:52:50.657818','tests',NULL,'plan',NULL,NULL,NULL,'{"partition_key": "b.csv", "plan_id": "aff68425bedb419c"}');
INSERT INTO "events" VALUES(7,'2026-11-25 15:52:50.684274','tests',2,'claim',NULL,'sending',NULL,'{"tasks": 1, "reserved_credits": 33.0}');
INSERT INTO "events" VALUES(8,'2026-11-25 15:52:50.795851','tests',2,'accept','sending','submitted',NULL,NULL);
CREATE TABLE leases (
	partition_key TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	owner_id TEXT NOT NULL, 
	since_at DATETIME NOT NULL, 
	PRIMARY KEY (partition_key, kind)
);
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('ledger_uuid','1c27e23b680e4fb3aded7f1773bcd96d');
INSERT INTO "meta" VALUES('schema_version','1');
INSERT INTO "meta" VALUES('api_identity','simulated');
CREATE TABLE partitions (
	partition_key TEXT NOT NULL, 
	source_path TEXT, 
	file_sha256 TEXT, 
	current_plan_id TEXT, 
	loaded_seq INTEGER DEFAULT '-1' NOT NULL, 
	loaded_at DATETIME, 
	state TEXT DEFAULT 'active' NOT NULL, 
	PRIMARY KEY (partition_key)
);
INSERT INTO "partitions" VALUES('a.csv',NULL,'content','6ef5726b0e0748de',-1,NULL,'active');
INSERT INTO "partitions" VALUES('b.csv',NULL,'content','aff68425bedb419c',-1,NULL,'active');
CREATE TABLE plans (
	plan_id TEXT NOT NULL, 
	partition_key TEXT NOT NULL, 
	file_sha256 TEXT NOT NULL, 
	config TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	prices TEXT NOT NULL, 
	quote TEXT, 
	quoted_credits FLOAT, 
	approved_credits FLOAT, 
	approved_by TEXT, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (plan_id)
);
INSERT INTO "plans" VALUES('6ef5726b0e0748de','a.csv','content','{}','d2c78a96fb5a44e0a2173e13d48be3e5','3.0/8.0','{}',NULL,NULL,NULL,'2026-11-25 15:52:49.849134');
INSERT INTO "plans" VALUES('aff68425bedb419c','b.csv','content','{}','71924090cb604c6e9cf5231e711cd854','3.0/8.0','{}',NULL,NULL,NULL,'2026-11-25 15:52:50.617417');
CREATE TABLE questions (
	question_id INTEGER NOT NULL, 
	fingerprint TEXT NOT NULL, 
	domain TEXT NOT NULL, 
	title TEXT NOT NULL, 
	city TEXT, 
	state TEXT, 
	country TEXT, 
	version INTEGER, 
	canon_version INTEGER NOT NULL, 
	PRIMARY KEY (question_id), 
	UNIQUE (fingerprint)
);
INSERT INTO "questions" VALUES(1,'32e7f9b7cc1f8758206867b6aeacaafc','acme.com','Owner',NULL,NULL,NULL,NULL,1);
INSERT INTO "questions" VALUES(2,'609842940716d3f91565e7551f2b8da3','bolt.eu','Head of Marketing',NULL,NULL,NULL,NULL,1);
INSERT INTO "questions" VALUES(3,'90483523531276fdf72c218819ab3780','canva.com','Owner',NULL,NULL,NULL,NULL,1);
CREATE TABLE rate (
	api_identity TEXT NOT NULL, 
	next_free_at DATETIME NOT NULL, 
	PRIMARY KEY (api_identity)
);
CREATE TABLE strays (
	batch_no INTEGER NOT NULL, 
	vendor_task_id TEXT NOT NULL, 
	tracking_id TEXT, 
	reason TEXT NOT NULL, 
	raw BLOB, 
	read_at DATETIME NOT NULL, 
	PRIMARY KEY (batch_no, vendor_task_id)
);
CREATE TABLE suppressions (
	entry_no INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	added_at DATETIME NOT NULL, 
	UNIQUE (hash)
);
CREATE TABLE tasks (
	task_no INTEGER NOT NULL, 
	batch_no INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	question_id INTEGER NOT NULL, 
	max_k INTEGER NOT NULL, 
	info_access INTEGER NOT NULL, 
	tracking_id TEXT NOT NULL, 
	vendor_task_id TEXT, 
	state TEXT NOT NULL, 
	note TEXT, 
	raw BLOB, 
	emails INTEGER, 
	phones INTEGER, 
	ended_at DATETIME, 
	ended_seq INTEGER, 
	PRIMARY KEY (task_no), 
	UNIQUE (tracking_id)
);
INSERT INTO "tasks" VALUES(1,1,0,1,3,3,'1c27e23b-1-0','server-1c27e23b-1-0','found',NULL,X'789CABAE0500017500F9',1,0,'2026-11-25 15:52:50.370304',4);
INSERT INTO "tasks" VALUES(2,1,1,2,3,3,'1c27e23b-1-1','server-1c27e23b-1-1','found',NULL,X'789CABAE0500017500F9',1,0,'2026-11-25 15:52:50.370304',4);
INSERT INTO "tasks" VALUES(3,2,0,3,3,3,'1c27e23b-2-0',NULL,'in_flight',NULL,NULL,NULL,NULL,NULL,NULL);
CREATE INDEX asks_of_question ON asks (question_id);
CREATE INDEX asks_in_order ON asks (plan_id, position);
CREATE INDEX batches_of_partition ON batches (partition_key, state);
CREATE INDEX batches_by_state ON batches (state, next_poll_at);
CREATE INDEX tasks_of_batch ON tasks (batch_no);
CREATE UNIQUE INDEX one_live_task_per_question ON tasks (question_id) WHERE state IN ('in_flight', 'unknown', 'stuck');
CREATE INDEX tasks_by_end ON tasks (ended_seq);
CREATE INDEX tasks_of_question ON tasks (question_id, state);
CREATE INDEX events_of_batch ON events (batch_no);
CREATE TRIGGER events_refuse_UPDATE BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER events_refuse_DELETE BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',8);
INSERT INTO "sqlite_sequence" VALUES('batches',2);
COMMIT;
