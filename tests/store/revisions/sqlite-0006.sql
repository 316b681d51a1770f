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
INSERT INTO "activations" VALUES(1,2,'ad8ae960990eef3d',NULL,'2026-11-28 15:49:19.818658');
INSERT INTO "activations" VALUES(2,3,'611a4aa0f5110ad9',NULL,'2026-11-28 15:49:19.831331');
INSERT INTO "activations" VALUES(3,3,'8cca5699fbd17cc6',2,'2026-11-28 15:49:19.840661');
INSERT INTO "activations" VALUES(4,3,'611a4aa0f5110ad9',NULL,'2026-11-28 15:49:19.859031');
INSERT INTO "activations" VALUES(5,5,'fec61f37bdde2da0',NULL,'2026-11-28 20:50:38.287762');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
CREATE TABLE alerts (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR NOT NULL, 
	scope_id INTEGER NOT NULL, 
	calibrator_id VARCHAR NOT NULL, 
	test VARCHAR NOT NULL, 
	alpha DOUBLE NOT NULL, 
	log_evidence DOUBLE NOT NULL, 
	outcomes INTEGER NOT NULL, 
	expected DOUBLE NOT NULL, 
	observed DOUBLE NOT NULL, 
	through INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	attempts INTEGER NOT NULL, 
	try_at DATETIME, 
	delivered_at DATETIME, 
	fault VARCHAR NOT NULL, 
	CONSTRAINT uq_alerts_id UNIQUE (id), 
	CONSTRAINT uq_alerts_calibrator_id_test UNIQUE (calibrator_id, test), 
	CONSTRAINT fk_alerts_scope_id FOREIGN KEY(scope_id) REFERENCES scopes (id), 
	CONSTRAINT fk_alerts_calibrator_id FOREIGN KEY(calibrator_id) REFERENCES calibrators (id)
);
INSERT INTO "alerts" VALUES(1,'b14eef5eb4943c4d',2,'ad8ae960990eef3d','too_high',0.01,5.25,121,0.9,0.6,121,'2026-11-29 00:00:00.000000',1,'2026-11-28 10:23:01.388577',NULL,'status 500');
CREATE TABLE answers (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	answer_id BLOB NOT NULL, 
	scope_id INTEGER NOT NULL, 
	calibrator_id VARCHAR NOT NULL, 
	choice INTEGER NOT NULL, 
	probabilities BLOB NOT NULL, 
	calibrated BLOB NOT NULL, 
	answered_at DATETIME NOT NULL, 
	CONSTRAINT uq_answers_answer_id UNIQUE (answer_id), 
	CONSTRAINT fk_answers_scope_id FOREIGN KEY(scope_id) REFERENCES scopes (id)
);
INSERT INTO "answers" VALUES(1,X'6B6570742D6F662D31362D6279746573',2,'ad8ae960990eef3d',1,X'CDCCCC3D3333333FCDCCCC3DCDCCCC3D',X'CDCC4C3ECDCCCC3ECDCC4C3ECDCC4C3E','2026-11-30 00:00:00.000000');
CREATE TABLE api_keys (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	permissions JSON NOT NULL, 
	hash VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME, 
	revoked_at DATETIME, 
	CONSTRAINT pk_api_keys PRIMARY KEY (id)
);
INSERT INTO "api_keys" VALUES('a786cfdddaf9','nightly','acme','["fit", "score"]','scrypt$16384$8$1$a4fa9eab84234784fd832d8a8e21a22a$38e8fd72cfbca9520d584d1eae245d97c8c10e2e6c5ea150da7de305f936e26e','2026-11-28 20:50:38.485859','2027-03-01 00:00:00.000000',NULL);
INSERT INTO "api_keys" VALUES('30465c9d570d','old','','["admin"]','scrypt$16384$8$1$85c27c6751a45b594ccb3ef48703d48d$b8e5b4747fd9485680b42b72bed47d1c9f7f78543e11a2476c8bd4f6b0f82fff','2026-11-28 20:50:38.671003',NULL,'2026-11-28 20:50:38.686826');
CREATE TABLE audit (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	created_at DATETIME NOT NULL, 
	tenant VARCHAR NOT NULL, 
	caller VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL
);
INSERT INTO "audit" VALUES(1,'2026-11-28 20:50:38.255285','acme','key:nightly','fit','models/demo-aligned/calibrators/fec61f37bdde2da0');
INSERT INTO "audit" VALUES(2,'2026-11-28 20:50:38.296949','acme','key:nightly','activate','models/demo-aligned/calibrators/fec61f37bdde2da0');
INSERT INTO "audit" VALUES(3,'2026-11-28 20:50:38.486186','acme','local:operator','create key','keys/a786cfdddaf9');
INSERT INTO "audit" VALUES(4,'2026-11-28 20:50:38.671269','','local:operator','create key','keys/30465c9d570d');
INSERT INTO "audit" VALUES(5,'2026-11-28 20:50:38.686888','','local:operator','revoke key','keys/30465c9d570d');
CREATE TABLE calibrators (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR NOT NULL, 
	scope_id INTEGER NOT NULL, 
	method VARCHAR NOT NULL, 
	at_bound BOOLEAN NOT NULL, 
	undetermined BOOLEAN NOT NULL, 
	provenance JSON NOT NULL, 
	metrics JSON NOT NULL, 
	created_at DATETIME NOT NULL, parameters JSON DEFAULT '{}' NOT NULL, fallback VARCHAR DEFAULT '' NOT NULL, selection JSON, keeps_choice BOOLEAN DEFAULT 1 NOT NULL, bias_correction VARCHAR DEFAULT '' NOT NULL, deleted BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT uq_calibrators_id UNIQUE (id), 
	CONSTRAINT fk_calibrators_scope_id FOREIGN KEY(scope_id) REFERENCES scopes (id)
);
INSERT INTO "calibrators" VALUES(1,'0999c79f4d767db0',1,'teacher_kl',0,0,'{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}','{"nll_before": 1.25, "nll_after": 0.30000000000000004}','2025-03-01 12:30:15.123457','{"temperature": [1.7]}','',NULL,1,'',0);
INSERT INTO "calibrators" VALUES(2,'ad8ae960990eef3d',2,'teacher_kl',0,0,'{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}','{"nll_before": 1.25, "nll_after": 0.30000000000000004}','2025-03-01 12:30:15.123457','{"temperature": [0.30000000000000004]}','',NULL,1,'',0);
INSERT INTO "calibrators" VALUES(3,'611a4aa0f5110ad9',3,'vector',0,0,'{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 500, "teacher_reading": "text", "prior": {"mean": 0.7, "standard_deviation": 0.2, "calibrators": ["0f", "1f"]}, "prompts_hash": "ab"}','{"nll_before": 1.25, "nll_after": 0.30000000000000004}','2025-03-01 12:30:15.123457','{"scale": [1.0, 2.5], "bias": [-0.5, 0.0]}','temperature: too few items','{"criterion": "nll, 5-fold", "reason": "the least", "candidates": [{"method": "vector", "score": 0.7, "standard_error": 0.01, "excluded": ""}, {"method": "kde", "score": null, "standard_error": null, "excluded": "few"}]}',0,'batch',0);
INSERT INTO "calibrators" VALUES(4,'8cca5699fbd17cc6',3,'teacher_kl',0,0,'{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}','{"nll_before": 1.25, "nll_after": 0.30000000000000004}','2025-03-01 12:30:15.123457','{"temperature": [3.0]}','',NULL,1,'',0);
INSERT INTO "calibrators" VALUES(5,'e90583770b5cb05e',4,'teacher_kl',0,0,'{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}','{"nll_before": 1.25, "nll_after": 0.30000000000000004}','2025-03-01 12:30:15.123457','{"temperature": [4.0]}','',NULL,1,'',1);
INSERT INTO "calibrators" VALUES(6,'fec61f37bdde2da0',5,'teacher_kl',0,0,'{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}','{"nll_before": 1.25, "nll_after": 0.30000000000000004}','2025-03-01 12:30:15.123457','{"temperature": [1.7]}','',NULL,1,'',0);
CREATE TABLE checks (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	calibrator_id VARCHAR NOT NULL, 
	prompts_hash VARCHAR NOT NULL, 
	teacher VARCHAR NOT NULL, 
	questions INTEGER NOT NULL, 
	disagreeing INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	proposal JSON, 
	CONSTRAINT uq_checks_calibrator_id_prompts_hash UNIQUE (calibrator_id, prompts_hash), 
	CONSTRAINT fk_checks_calibrator_id FOREIGN KEY(calibrator_id) REFERENCES calibrators (id)
);
INSERT INTO "checks" VALUES(1,'ad8ae960990eef3d','ab12','demo-base',50,7,'2026-11-30 12:00:00.000000','{"note": "", "proposed": "611a4aa0f5110ad9", "fitted": 50, "held_out": 300, "differences": {"brier": [-0.1, -0.15, -0.05]}, "activated": false, "is_waiting": false}');
CREATE TABLE clock (
	id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT pk_clock PRIMARY KEY (id)
);
INSERT INTO "clock" VALUES(1,5);
CREATE TABLE corrections (
	calibrator_id VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	CONSTRAINT pk_corrections PRIMARY KEY (calibrator_id)
);
INSERT INTO "corrections" VALUES('0123456789abcdef',3);
CREATE TABLE fit_requests (
	id VARCHAR NOT NULL, 
	fingerprint VARCHAR NOT NULL, 
	calibrator_id VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	tenant VARCHAR DEFAULT '' NOT NULL, 
	CONSTRAINT pk_fit_requests PRIMARY KEY (id, tenant), 
	CONSTRAINT fk_fit_requests_calibrator_id FOREIGN KEY(calibrator_id) REFERENCES calibrators (id)
);
INSERT INTO "fit_requests" VALUES('nightly-7','a hash','ad8ae960990eef3d','2026-11-28 15:49:19.810768','');
INSERT INTO "fit_requests" VALUES('nightly-7','another hash','fec61f37bdde2da0','2026-11-28 20:50:38.255521','acme');
CREATE TABLE outcomes (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	answer_id BLOB NOT NULL, 
	scope_id INTEGER NOT NULL, 
	calibrator_id VARCHAR NOT NULL, 
	choice INTEGER NOT NULL, 
	option INTEGER, 
	probabilities BLOB NOT NULL, 
	calibrated BLOB NOT NULL, 
	answered_at DATETIME NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	CONSTRAINT uq_outcomes_answer_id UNIQUE (answer_id), 
	CONSTRAINT fk_outcomes_scope_id FOREIGN KEY(scope_id) REFERENCES scopes (id)
);
INSERT INTO "outcomes" VALUES(1,X'616E737765722D6F662D31362D627974',2,'0123456789abcdef',1,2,X'CDCCCC3D3333333FCDCCCC3DCDCCCC3D',X'CDCC4C3ECDCCCC3ECDCC4C3ECDCC4C3E','2026-11-01 00:00:00.000000','2026-11-28 21:41:44.320148');
CREATE TABLE proposals (
	calibrator_id VARCHAR NOT NULL, 
	"after" INTEGER NOT NULL, 
	try_at DATETIME, 
	note VARCHAR NOT NULL, 
	proposed_id VARCHAR, 
	fitted INTEGER NOT NULL, 
	held_out INTEGER NOT NULL, 
	differences JSON, 
	activated BOOLEAN NOT NULL, 
	CONSTRAINT pk_proposals PRIMARY KEY (calibrator_id), 
	CONSTRAINT fk_proposals_calibrator_id FOREIGN KEY(calibrator_id) REFERENCES calibrators (id), 
	CONSTRAINT fk_proposals_proposed_id FOREIGN KEY(proposed_id) REFERENCES calibrators (id)
);
INSERT INTO "proposals" VALUES('ad8ae960990eef3d',121,NULL,'','611a4aa0f5110ad9',200,200,'{"brier": [-0.1, -0.15, -0.05]}',0);
CREATE TABLE scopes (
	id INTEGER NOT NULL, 
	model VARCHAR NOT NULL, 
	revision VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	reading VARCHAR NOT NULL, 
	format_version INTEGER NOT NULL, 
	options INTEGER NOT NULL, 
	tenant VARCHAR DEFAULT '' NOT NULL, 
	CONSTRAINT pk_scopes PRIMARY KEY (id), 
	CONSTRAINT uq_scopes_tenant UNIQUE (tenant, model, revision, task, reading, format_version, options)
);
INSERT INTO "scopes" VALUES(1,'demo-aligned','3f2a','','paren',1,4,'');
INSERT INTO "scopes" VALUES(2,'demo-aligned','3f2a','anatomy','paren',1,4,'');
INSERT INTO "scopes" VALUES(3,'demo-aligned','3f2a','law','paren',1,4,'');
INSERT INTO "scopes" VALUES(4,'demo-aligned','3f2a','gone','paren',1,4,'');
INSERT INTO "scopes" VALUES(5,'demo-aligned','3f2a','','paren',1,4,'acme');
CREATE TABLE seals (
	id INTEGER NOT NULL, 
	"key" BLOB NOT NULL, 
	CONSTRAINT pk_seals PRIMARY KEY (id)
);
INSERT INTO "seals" VALUES(1,X'097D593D592F5DD2AC67A8BD45505FAABDB92C94B766664BBDD30AA13A862F94');
CREATE INDEX ix_activations_scope_id_sequence ON activations (scope_id, sequence);
CREATE INDEX ix_outcomes_calibrator_id_position ON outcomes (calibrator_id, position);
CREATE INDEX ix_outcomes_recorded_at ON outcomes (recorded_at);
CREATE INDEX ix_answers_answered_at ON answers (answered_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('calibrators',6);
INSERT INTO "sqlite_sequence" VALUES('audit',5);
INSERT INTO "sqlite_sequence" VALUES('outcomes',1);
INSERT INTO "sqlite_sequence" VALUES('alerts',1);
INSERT INTO "sqlite_sequence" VALUES('checks',1);
INSERT INTO "sqlite_sequence" VALUES('answers',1);
COMMIT;
