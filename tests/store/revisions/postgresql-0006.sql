CREATE TABLE public.activations (
    sequence integer NOT NULL,
    scope_id integer NOT NULL,
    calibrator_id character varying,
    parent integer,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.alerts (
    "position" integer NOT NULL,
    id character varying NOT NULL,
    scope_id integer NOT NULL,
    calibrator_id character varying NOT NULL,
    test character varying NOT NULL,
    alpha double precision NOT NULL,
    log_evidence double precision NOT NULL,
    outcomes integer NOT NULL,
    expected double precision NOT NULL,
    observed double precision NOT NULL,
    through bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    attempts integer NOT NULL,
    try_at timestamp with time zone,
    delivered_at timestamp with time zone,
    fault character varying NOT NULL
);
CREATE SEQUENCE public.alerts_position_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.alerts_position_seq OWNED BY public.alerts."position";
CREATE TABLE public.answers (
    "position" bigint NOT NULL,
    answer_id bytea NOT NULL,
    scope_id integer NOT NULL,
    calibrator_id character varying NOT NULL,
    choice integer NOT NULL,
    probabilities bytea NOT NULL,
    calibrated bytea NOT NULL,
    answered_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.answers_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.answers_position_seq OWNED BY public.answers."position";
CREATE TABLE public.api_keys (
    id character varying NOT NULL,
    name character varying NOT NULL,
    tenant character varying NOT NULL,
    permissions json NOT NULL,
    hash character varying NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone
);
CREATE TABLE public.audit (
    sequence integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    tenant character varying NOT NULL,
    caller character varying NOT NULL,
    action character varying NOT NULL,
    subject character varying NOT NULL
);
CREATE SEQUENCE public.audit_sequence_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_sequence_seq OWNED BY public.audit.sequence;
CREATE TABLE public.calibrators (
    "position" integer NOT NULL,
    id character varying NOT NULL,
    scope_id integer NOT NULL,
    method character varying NOT NULL,
    at_bound boolean NOT NULL,
    undetermined boolean NOT NULL,
    provenance json NOT NULL,
    metrics json NOT NULL,
    created_at timestamp with time zone NOT NULL,
    parameters json DEFAULT '{}'::json NOT NULL,
    fallback character varying DEFAULT ''::character varying NOT NULL,
    selection json,
    keeps_choice boolean DEFAULT true NOT NULL,
    bias_correction character varying DEFAULT ''::character varying NOT NULL,
    deleted boolean DEFAULT false NOT NULL
);
CREATE SEQUENCE public.calibrators_position_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.calibrators_position_seq OWNED BY public.calibrators."position";
CREATE TABLE public.checks (
    "position" integer NOT NULL,
    calibrator_id character varying NOT NULL,
    prompts_hash character varying NOT NULL,
    teacher character varying NOT NULL,
    questions integer NOT NULL,
    disagreeing integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    proposal json
);
CREATE SEQUENCE public.checks_position_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.checks_position_seq OWNED BY public.checks."position";
CREATE TABLE public.clock (
    id integer NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.corrections (
    calibrator_id character varying NOT NULL,
    number integer NOT NULL
);
CREATE TABLE public.fit_requests (
    id character varying NOT NULL,
    fingerprint character varying NOT NULL,
    calibrator_id character varying NOT NULL,
    created_at timestamp with time zone NOT NULL,
    tenant character varying DEFAULT ''::character varying NOT NULL
);
CREATE TABLE public.outcomes (
    "position" bigint NOT NULL,
    answer_id bytea NOT NULL,
    scope_id integer NOT NULL,
    calibrator_id character varying NOT NULL,
    choice integer NOT NULL,
    option integer,
    probabilities bytea NOT NULL,
    calibrated bytea NOT NULL,
    answered_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.outcomes_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.outcomes_position_seq OWNED BY public.outcomes."position";
CREATE TABLE public.proposals (
    calibrator_id character varying NOT NULL,
    after bigint NOT NULL,
    try_at timestamp with time zone,
    note character varying NOT NULL,
    proposed_id character varying,
    fitted integer NOT NULL,
    held_out integer NOT NULL,
    differences json,
    activated boolean NOT NULL
);
CREATE TABLE public.scopes (
    id integer NOT NULL,
    model character varying NOT NULL,
    revision character varying NOT NULL,
    task character varying NOT NULL,
    reading character varying NOT NULL,
    format_version integer NOT NULL,
    options integer NOT NULL,
    tenant character varying DEFAULT ''::character varying NOT NULL
);
CREATE SEQUENCE public.scopes_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.scopes_id_seq OWNED BY public.scopes.id;
CREATE TABLE public.seals (
    id integer NOT NULL,
    key bytea NOT NULL
);
ALTER TABLE ONLY public.alerts ALTER COLUMN "position" SET DEFAULT nextval('public.alerts_position_seq'::regclass);
ALTER TABLE ONLY public.answers ALTER COLUMN "position" SET DEFAULT nextval('public.answers_position_seq'::regclass);
ALTER TABLE ONLY public.audit ALTER COLUMN sequence SET DEFAULT nextval('public.audit_sequence_seq'::regclass);
ALTER TABLE ONLY public.calibrators ALTER COLUMN "position" SET DEFAULT nextval('public.calibrators_position_seq'::regclass);
ALTER TABLE ONLY public.checks ALTER COLUMN "position" SET DEFAULT nextval('public.checks_position_seq'::regclass);
ALTER TABLE ONLY public.outcomes ALTER COLUMN "position" SET DEFAULT nextval('public.outcomes_position_seq'::regclass);
ALTER TABLE ONLY public.scopes ALTER COLUMN id SET DEFAULT nextval('public.scopes_id_seq'::regclass);
INSERT INTO public.activations VALUES (1, 2, 'ad8ae960990eef3d', NULL, '2026-11-28 15:49:19.445675+00');
INSERT INTO public.activations VALUES (2, 3, '611a4aa0f5110ad9', NULL, '2026-11-28 15:49:19.46723+00');
INSERT INTO public.activations VALUES (3, 3, '8cca5699fbd17cc6', 2, '2026-11-28 15:49:19.483266+00');
INSERT INTO public.activations VALUES (4, 3, '611a4aa0f5110ad9', NULL, '2026-11-28 15:49:19.513505+00');
INSERT INTO public.activations VALUES (5, 5, 'fec61f37bdde2da0', NULL, '2026-11-28 20:50:41.879608+00');
INSERT INTO public.alembic_version VALUES ('0006');
INSERT INTO public.alerts VALUES (1, 'b14eef5eb4943c4d', 2, 'ad8ae960990eef3d', 'too_high', 0.01, 5.25, 121, 0.9, 0.6, 121, '2026-11-29 00:00:00+00', 1, '2026-11-28 10:23:06.184277+00', NULL, 'status 500');
INSERT INTO public.answers VALUES (1, '\x6b6570742d6f662d31362d6279746573', 2, 'ad8ae960990eef3d', 1, '\xcdcccc3d3333333fcdcccc3dcdcccc3d', '\xcdcc4c3ecdcccc3ecdcc4c3ecdcc4c3e', '2026-11-30 00:00:00+00');
INSERT INTO public.api_keys VALUES ('0bd6b365cf51', 'nightly', 'acme', '["fit", "score"]', 'scrypt$16384$8$1$cbb39db20683df578f86d45361581778$6291b3794b49768824e7a77426599fca35dc50cef54cf98ccb245a74ea08b4cb', '2026-11-28 20:50:42.096816+00', '2027-03-01 00:00:00+00', NULL);
INSERT INTO public.api_keys VALUES ('5f98c493a35a', 'old', '', '["admin"]', 'scrypt$16384$8$1$94e148ba5f3db308ed38f654061ca658$e7fb459458a4f69dbd975dc52ae0d0540e43dea63417262ef3428a1b9155b842', '2026-11-28 20:50:42.261883+00', NULL, '2026-11-28 20:50:42.288165+00');
INSERT INTO public.audit VALUES (1, '2026-11-28 20:50:41.84749+00', 'acme', 'key:nightly', 'fit', 'models/demo-aligned/calibrators/fec61f37bdde2da0');
INSERT INTO public.audit VALUES (2, '2026-11-28 20:50:41.884031+00', 'acme', 'key:nightly', 'activate', 'models/demo-aligned/calibrators/fec61f37bdde2da0');
INSERT INTO public.audit VALUES (3, '2026-11-28 20:50:42.097174+00', 'acme', 'local:operator', 'create key', 'keys/0bd6b365cf51');
INSERT INTO public.audit VALUES (4, '2026-11-28 20:50:42.262265+00', '', 'local:operator', 'create key', 'keys/5f98c493a35a');
INSERT INTO public.audit VALUES (5, '2026-11-28 20:50:42.288199+00', '', 'local:operator', 'revoke key', 'keys/5f98c493a35a');
INSERT INTO public.calibrators VALUES (1, '0999c79f4d767db0', 1, 'teacher_kl', false, false, '{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}', '{"nll_before": 1.25, "nll_after": 0.30000000000000004}', '2025-03-01 12:30:15.123457+00', '{"temperature": [1.7]}', '', NULL, true, '', false);
INSERT INTO public.calibrators VALUES (2, 'ad8ae960990eef3d', 2, 'teacher_kl', false, false, '{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}', '{"nll_before": 1.25, "nll_after": 0.30000000000000004}', '2025-03-01 12:30:15.123457+00', '{"temperature": [0.30000000000000004]}', '', NULL, true, '', false);
INSERT INTO public.calibrators VALUES (3, '611a4aa0f5110ad9', 3, 'vector', false, false, '{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 500, "teacher_reading": "text", "prior": {"mean": 0.7, "standard_deviation": 0.2, "calibrators": ["0f", "1f"]}, "prompts_hash": "ab"}', '{"nll_before": 1.25, "nll_after": 0.30000000000000004}', '2025-03-01 12:30:15.123457+00', '{"scale": [1.0, 2.5], "bias": [-0.5, 0.0]}', 'temperature: too few items', '{"criterion": "nll, 5-fold", "reason": "the least", "candidates": [{"method": "vector", "score": 0.7, "standard_error": 0.01, "excluded": ""}, {"method": "kde", "score": null, "standard_error": null, "excluded": "few"}]}', false, 'batch', false);
INSERT INTO public.calibrators VALUES (4, '8cca5699fbd17cc6', 3, 'teacher_kl', false, false, '{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}', '{"nll_before": 1.25, "nll_after": 0.30000000000000004}', '2025-03-01 12:30:15.123457+00', '{"temperature": [3.0]}', '', NULL, true, '', false);
INSERT INTO public.calibrators VALUES (5, 'e90583770b5cb05e', 4, 'teacher_kl', false, false, '{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}', '{"nll_before": 1.25, "nll_after": 0.30000000000000004}', '2025-03-01 12:30:15.123457+00', '{"temperature": [4.0]}', '', NULL, true, '', true);
INSERT INTO public.calibrators VALUES (6, 'fec61f37bdde2da0', 5, 'teacher_kl', false, false, '{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}, "labelled": 0, "teacher_reading": "", "prior": null, "prompts_hash": ""}', '{"nll_before": 1.25, "nll_after": 0.30000000000000004}', '2025-03-01 12:30:15.123457+00', '{"temperature": [1.7]}', '', NULL, true, '', false);
INSERT INTO public.checks VALUES (1, 'ad8ae960990eef3d', 'ab12', 'demo-base', 50, 7, '2026-11-30 12:00:00+00', '{"note": "", "proposed": "611a4aa0f5110ad9", "fitted": 50, "held_out": 300, "differences": {"brier": [-0.1, -0.15, -0.05]}, "activated": false, "is_waiting": false}');
INSERT INTO public.clock VALUES (1, 5);
INSERT INTO public.corrections VALUES ('0123456789abcdef', 3);
INSERT INTO public.fit_requests VALUES ('nightly-7', 'a hash', 'ad8ae960990eef3d', '2026-11-28 15:49:19.432502+00', '');
INSERT INTO public.fit_requests VALUES ('nightly-7', 'another hash', 'fec61f37bdde2da0', '2026-11-28 20:50:41.847658+00', 'acme');
INSERT INTO public.outcomes VALUES (1, '\x616e737765722d6f662d31362d627974', 2, '0123456789abcdef', 1, 2, '\xcdcccc3d3333333fcdcccc3dcdcccc3d', '\xcdcc4c3ecdcccc3ecdcc4c3ecdcc4c3e', '2026-11-01 00:00:00+00', '2026-11-28 21:41:51.291454+00');
INSERT INTO public.proposals VALUES ('ad8ae960990eef3d', 121, NULL, '', '611a4aa0f5110ad9', 200, 200, '{"brier": [-0.1, -0.15, -0.05]}', false);
INSERT INTO public.scopes VALUES (1, 'demo-aligned', '3f2a', '', 'paren', 1, 4, '');
INSERT INTO public.scopes VALUES (2, 'demo-aligned', '3f2a', 'anatomy', 'paren', 1, 4, '');
INSERT INTO public.scopes VALUES (3, 'demo-aligned', '3f2a', 'law', 'paren', 1, 4, '');
INSERT INTO public.scopes VALUES (4, 'demo-aligned', '3f2a', 'gone', 'paren', 1, 4, '');
INSERT INTO public.scopes VALUES (5, 'demo-aligned', '3f2a', '', 'paren', 1, 4, 'acme');
INSERT INTO public.seals VALUES (1, '\xcb5226f387591f7d53f786ea9140604db92614f1782769891a0bbbaf83c509c5');
SELECT pg_catalog.setval('public.alerts_position_seq', 1, true);
SELECT pg_catalog.setval('public.answers_position_seq', 1, true);
SELECT pg_catalog.setval('public.audit_sequence_seq', 5, true);
SELECT pg_catalog.setval('public.calibrators_position_seq', 6, true);
SELECT pg_catalog.setval('public.checks_position_seq', 1, true);
SELECT pg_catalog.setval('public.outcomes_position_seq', 1, true);
SELECT pg_catalog.setval('public.scopes_id_seq', 5, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT pk_activations PRIMARY KEY (sequence);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT pk_alerts PRIMARY KEY ("position");
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT pk_answers PRIMARY KEY ("position");
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT pk_api_keys PRIMARY KEY (id);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (sequence);
ALTER TABLE ONLY public.calibrators
    ADD CONSTRAINT pk_calibrators PRIMARY KEY ("position");
ALTER TABLE ONLY public.checks
    ADD CONSTRAINT pk_checks PRIMARY KEY ("position");
ALTER TABLE ONLY public.clock
    ADD CONSTRAINT pk_clock PRIMARY KEY (id);
ALTER TABLE ONLY public.corrections
    ADD CONSTRAINT pk_corrections PRIMARY KEY (calibrator_id);
ALTER TABLE ONLY public.fit_requests
    ADD CONSTRAINT pk_fit_requests PRIMARY KEY (id, tenant);
ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT pk_outcomes PRIMARY KEY ("position");
ALTER TABLE ONLY public.proposals
    ADD CONSTRAINT pk_proposals PRIMARY KEY (calibrator_id);
ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT pk_scopes PRIMARY KEY (id);
ALTER TABLE ONLY public.seals
    ADD CONSTRAINT pk_seals PRIMARY KEY (id);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT uq_alerts_calibrator_id_test UNIQUE (calibrator_id, test);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT uq_alerts_id UNIQUE (id);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT uq_answers_answer_id UNIQUE (answer_id);
ALTER TABLE ONLY public.calibrators
    ADD CONSTRAINT uq_calibrators_id UNIQUE (id);
ALTER TABLE ONLY public.checks
    ADD CONSTRAINT uq_checks_calibrator_id_prompts_hash UNIQUE (calibrator_id, prompts_hash);
ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT uq_outcomes_answer_id UNIQUE (answer_id);
ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT uq_scopes_tenant UNIQUE (tenant, model, revision, task, reading, format_version, options);
CREATE INDEX ix_activations_scope_id_sequence ON public.activations USING btree (scope_id, sequence);
CREATE INDEX ix_answers_answered_at ON public.answers USING btree (answered_at);
CREATE INDEX ix_outcomes_calibrator_id_position ON public.outcomes USING btree (calibrator_id, "position");
CREATE INDEX ix_outcomes_recorded_at ON public.outcomes USING btree (recorded_at);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT fk_activations_calibrator_id FOREIGN KEY (calibrator_id) REFERENCES public.calibrators(id);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT fk_activations_parent FOREIGN KEY (parent) REFERENCES public.activations(sequence);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT fk_activations_scope_id FOREIGN KEY (scope_id) REFERENCES public.scopes(id);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT fk_alerts_calibrator_id FOREIGN KEY (calibrator_id) REFERENCES public.calibrators(id);
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT fk_alerts_scope_id FOREIGN KEY (scope_id) REFERENCES public.scopes(id);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT fk_answers_scope_id FOREIGN KEY (scope_id) REFERENCES public.scopes(id);
ALTER TABLE ONLY public.calibrators
    ADD CONSTRAINT fk_calibrators_scope_id FOREIGN KEY (scope_id) REFERENCES public.scopes(id);
ALTER TABLE ONLY public.checks
    ADD CONSTRAINT fk_checks_calibrator_id FOREIGN KEY (calibrator_id) REFERENCES public.calibrators(id);
ALTER TABLE ONLY public.fit_requests
    ADD CONSTRAINT fk_fit_requests_calibrator_id FOREIGN KEY (calibrator_id) REFERENCES public.calibrators(id);
ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT fk_outcomes_scope_id FOREIGN KEY (scope_id) REFERENCES public.scopes(id);
ALTER TABLE ONLY public.proposals
    ADD CONSTRAINT fk_proposals_calibrator_id FOREIGN KEY (calibrator_id) REFERENCES public.calibrators(id);
ALTER TABLE ONLY public.proposals
    ADD CONSTRAINT fk_proposals_proposed_id FOREIGN KEY (proposed_id) REFERENCES public.calibrators(id);
