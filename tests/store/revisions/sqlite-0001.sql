BEGIN TRANSACTION;
CREATE TABLE activations (
	sequence INTEGER NOT NULL,
	scope_id INTEGER NOT NULL,
	calibrator_id VARCHAR,
	parent INTEGER,
	created_at DATETIME NOT NULL,
	CONSTRAINT pk_activations PRIMARY KEY (sequence),
	CONSTRAINT fk_activations_scope_id FOREIGN KEY(scope_id) REFERENCES scopes (id),
	CONSTRAINT fk_activations_calibrator_id FOREIGN KEY(calibrator_id) REFERENCES calibrators (id),
	CONSTRAINT fk_activations_parent FOREIGN KEY(parent) REFERENCES activations (sequence)
);
INSERT INTO "activations" VALUES(1,2,'ad8ae960990eef3d',NULL,'2025-03-01 12:31:00.000000');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE calibrators (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	id VARCHAR NOT NULL,
	scope_id INTEGER NOT NULL,
	method VARCHAR NOT NULL,
	temperature DOUBLE NOT NULL,
	at_bound BOOLEAN NOT NULL,
	undetermined BOOLEAN NOT NULL,
	provenance JSON NOT NULL,
	metrics JSON NOT NULL,
	created_at DATETIME NOT NULL,
	CONSTRAINT uq_calibrators_id UNIQUE (id),
	CONSTRAINT fk_calibrators_scope_id FOREIGN KEY(scope_id) REFERENCES scopes (id)
);
INSERT INTO "calibrators" VALUES(1,'0999c79f4d767db0',1,'teacher_kl',1.7,0,0,'{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}}','{"nll_before": 1.25, "nll_after": 0.30000000000000004}','2025-03-01 12:30:15.123457');
INSERT INTO "calibrators" VALUES(2,'ad8ae960990eef3d',2,'teacher_kl',3.00000000000000044408e-01,0,0,'{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}}','{"nll_before": 1.25, "nll_after": 0.30000000000000004}','2025-03-01 12:30:15.123457');
CREATE TABLE clock (
	id INTEGER NOT NULL,
	version INTEGER NOT NULL,
	CONSTRAINT pk_clock PRIMARY KEY (id)
);
INSERT INTO "clock" VALUES(1,1);
CREATE TABLE scopes (
	id INTEGER NOT NULL,
	model VARCHAR NOT NULL,
	revision VARCHAR NOT NULL,
	task VARCHAR NOT NULL,
	reading VARCHAR NOT NULL,
	format_version INTEGER NOT NULL,
	options INTEGER NOT NULL,
	CONSTRAINT pk_scopes PRIMARY KEY (id),
	CONSTRAINT uq_scopes_model_revision_task_reading_format_version_options UNIQUE (model, revision, task, reading, format_version, options)
);
INSERT INTO "scopes" VALUES(1,'demo-aligned','3f2a','','paren',1,4);
INSERT INTO "scopes" VALUES(2,'demo-aligned','3f2a','anatomy','paren',1,4);
CREATE INDEX ix_activations_scope_id_sequence ON activations (scope_id, sequence);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('calibrators',2);
COMMIT;
