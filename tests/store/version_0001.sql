BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE deliveries (
	id INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	delivery_id TEXT NOT NULL, 
	event TEXT NOT NULL, 
	headers TEXT DEFAULT '{}' NOT NULL, 
	proposal_id INTEGER, 
	result TEXT, 
	received_at DOUBLE NOT NULL, 
	done_at DOUBLE, 
	CONSTRAINT pk_deliveries PRIMARY KEY (id), 
	CONSTRAINT uq_deliveries_source_delivery_id UNIQUE (source, delivery_id)
);
INSERT INTO "deliveries" VALUES(1,'reports','r1','failure','{}',1,'proposal',1.79543799402727293967e+09,1795437994.02834);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	kind TEXT NOT NULL, 
	project TEXT, 
	proposal INTEGER, 
	run INTEGER, 
	actor TEXT NOT NULL, 
	host TEXT, 
	text TEXT NOT NULL, 
	data TEXT DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (id)
);
INSERT INTO "events" VALUES(1,1.79543799402558803559e+09,'incident.opened','greeter',NULL,NULL,'watcher','pi','greeter.service failed','{}');
INSERT INTO "events" VALUES(2,1.79543799402667593953e+09,'proposal.opened','greeter',1,1,'pimainteno',NULL,'Greet without a name','{}');
CREATE TABLE incidents (
	id INTEGER NOT NULL, 
	project TEXT NOT NULL, 
	unit TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	fingerprint_version INTEGER NOT NULL, 
	result TEXT NOT NULL, 
	exit_status TEXT NOT NULL, 
	state TEXT DEFAULT 'open' NOT NULL, 
	count INTEGER NOT NULL, 
	hosts TEXT NOT NULL, 
	first_at DOUBLE NOT NULL, 
	last_at DOUBLE NOT NULL, 
	log TEXT NOT NULL, 
	CONSTRAINT pk_incidents PRIMARY KEY (id), 
	CONSTRAINT uq_incidents_project_fingerprint UNIQUE (project, fingerprint)
);
INSERT INTO "incidents" VALUES(1,'greeter','greeter.service','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',1,'exit-code','1','open',2,'["pi","nas"]',1772366400.0,1772366400.0,'Traceback
KeyError: ''name''
');
CREATE TABLE jobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	queue TEXT NOT NULL, 
	name TEXT NOT NULL, 
	args TEXT NOT NULL, 
	proposal_id INTEGER, 
	state TEXT NOT NULL, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	not_before DOUBLE NOT NULL, 
	rung_at DOUBLE, 
	lease_owner TEXT, 
	lease_until DOUBLE, 
	fence INTEGER DEFAULT '0' NOT NULL, 
	reason TEXT, 
	created_at DOUBLE NOT NULL, 
	updated_at DOUBLE NOT NULL
);
INSERT INTO "jobs" VALUES(1,'pimainteno:agent','repair','{"run_id":1}',NULL,'done',1,1.79543799402101492881e+09,NULL,NULL,NULL,1,NULL,1.79543799402101492881e+09,1.79543799402499794958e+09);
CREATE TABLE pauses (
	scope TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	CONSTRAINT pk_pauses PRIMARY KEY (scope)
);
INSERT INTO "pauses" VALUES('all','no quota left','pimainteno',1.79543799403097701075e+09);
CREATE TABLE projects (
	name TEXT NOT NULL, 
	url TEXT, 
	default_branch TEXT, 
	last_scan DOUBLE, 
	last_commit TEXT, 
	summary TEXT, 
	CONSTRAINT pk_projects PRIMARY KEY (name)
);
INSERT INTO "projects" VALUES('greeter',NULL,'main',1.79543799403046107289e+09,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','current');
CREATE TABLE proposals (
	id INTEGER NOT NULL, 
	project TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	incident_id INTEGER, 
	title TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT, 
	url TEXT, 
	number INTEGER, 
	branch TEXT NOT NULL, 
	base_sha TEXT, 
	head_sha TEXT, 
	draft BOOLEAN DEFAULT '0' NOT NULL, 
	ci TEXT DEFAULT 'none' NOT NULL, 
	review TEXT DEFAULT 'none' NOT NULL, 
	unit TEXT, 
	fingerprint TEXT, 
	codex_md_diff TEXT DEFAULT '' NOT NULL, 
	checks TEXT DEFAULT '[]' NOT NULL, 
	pushed TEXT DEFAULT '[]' NOT NULL, 
	body TEXT DEFAULT '' NOT NULL, 
	snoozed_until DOUBLE, 
	opened_at DOUBLE, 
	created_at DOUBLE NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	CONSTRAINT pk_proposals PRIMARY KEY (id), 
	CONSTRAINT fk_proposals_incident_id FOREIGN KEY(incident_id) REFERENCES incidents (id), 
	CONSTRAINT uq_proposals_project_branch UNIQUE (project, branch)
);
INSERT INTO "proposals" VALUES(1,'greeter','fix',1,'Greet without a name','open',NULL,'http://127.0.0.1:8300/proposals/1',1,'pimainteno/fix/greeter.service-ffffffff','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',0,'none','none','greeter.service','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff','','[{"command":"python3 -m unittest","before":"fail","after":"pass","before_output":"","after_output":""}]','["bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]','',NULL,1795437994.00823,1.79543799399767589567e+09,1.79543799401430511468e+09);
CREATE TABLE results (
	"key" TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	project TEXT NOT NULL, 
	value BLOB NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_results PRIMARY KEY ("key")
);
INSERT INTO "results" VALUES('k','fix','greeter',X'789CAB564A54B232AC0500082A0209',1.79543799402901792521e+09);
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	proposal_id INTEGER NOT NULL, 
	project TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	stage TEXT DEFAULT '' NOT NULL, 
	retry INTEGER DEFAULT '0' NOT NULL, 
	base_sha TEXT, 
	thread TEXT, 
	answer TEXT, 
	changeset TEXT, 
	checks TEXT DEFAULT '[]' NOT NULL, 
	diff TEXT DEFAULT '' NOT NULL, 
	summary TEXT, 
	codex_md_diff TEXT DEFAULT '' NOT NULL, 
	notes TEXT DEFAULT '[]' NOT NULL, 
	model TEXT DEFAULT '' NOT NULL, 
	usage TEXT DEFAULT '{}' NOT NULL, 
	tokens INTEGER DEFAULT '0' NOT NULL, 
	tokens_at DOUBLE, 
	reason TEXT, 
	commit_sha TEXT, 
	started_at DOUBLE, 
	finished_at DOUBLE, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT fk_runs_proposal_id FOREIGN KEY(proposal_id) REFERENCES proposals (id)
);
INSERT INTO "runs" VALUES(1,1,'greeter','fix','done','open',0,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',NULL,'{"verdict":"fixed","title":"Greet without a name","cause":"No default.","change":"A default.","risk":"low","confidence":0.9}','{"base":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","changes":[{"path":"greeter.py","mode":"100644","content":"cHJpbnQoJ2hlbGxvJykK"}]}','[{"command":"python3 -m unittest","before":"fail","after":"pass","before_output":"","after_output":""}]','','{"changed":true,"codex_md":"# greeter\n"}','','[]','gpt-5.5','{"input":1000,"cached":100,"output":200}',1200,1795437994.00646,NULL,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1772366400.0,1772366520.0);
CREATE INDEX ix_events_project_id ON events (project, id);
CREATE INDEX ix_events_proposal_id ON events (proposal, id);
CREATE INDEX ix_jobs_proposal_id ON jobs (proposal_id);
CREATE INDEX ix_jobs_state_not_before ON jobs (state, not_before);
CREATE INDEX ix_proposals_incident_id ON proposals (incident_id);
CREATE INDEX ix_proposals_state ON proposals (state);
CREATE INDEX ix_runs_proposal_id ON runs (proposal_id);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the table events is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'the table events is append-only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobs',1);
COMMIT;
