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
CREATE TABLE public.calibrators (
    "position" integer NOT NULL,
    id character varying NOT NULL,
    scope_id integer NOT NULL,
    method character varying NOT NULL,
    temperature double precision NOT NULL,
    at_bound boolean NOT NULL,
    undetermined boolean NOT NULL,
    provenance json NOT NULL,
    metrics json NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.calibrators_position_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.calibrators_position_seq OWNED BY public.calibrators."position";
CREATE TABLE public.clock (
    id integer NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.scopes (
    id integer NOT NULL,
    model character varying NOT NULL,
    revision character varying NOT NULL,
    task character varying NOT NULL,
    reading character varying NOT NULL,
    format_version integer NOT NULL,
    options integer NOT NULL
);
CREATE SEQUENCE public.scopes_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.scopes_id_seq OWNED BY public.scopes.id;
ALTER TABLE ONLY public.calibrators ALTER COLUMN "position" SET DEFAULT nextval('public.calibrators_position_seq'::regclass);
ALTER TABLE ONLY public.scopes ALTER COLUMN id SET DEFAULT nextval('public.scopes_id_seq'::regclass);
INSERT INTO public.activations VALUES (1, 2, 'ad8ae960990eef3d', NULL, '2025-03-01 12:31:00+00');
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.calibrators VALUES (1, '0999c79f4d767db0', 1, 'teacher_kl', 1.7, false, false, '{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}}', '{"nll_before": 1.25, "nll_after": 0.30000000000000004}', '2025-03-01 12:30:15.123457+00');
INSERT INTO public.calibrators VALUES (2, 'ad8ae960990eef3d', 2, 'teacher_kl', 0.30000000000000004, false, false, '{"teacher": "demo-base", "teacher_revision": "77c1", "items": 512, "data_hash": "sha256:ab12", "versions": {"trueodds": "0.1.0"}}', '{"nll_before": 1.25, "nll_after": 0.30000000000000004}', '2025-03-01 12:30:15.123457+00');
INSERT INTO public.clock VALUES (1, 1);
INSERT INTO public.scopes VALUES (1, 'demo-aligned', '3f2a', '', 'paren', 1, 4);
INSERT INTO public.scopes VALUES (2, 'demo-aligned', '3f2a', 'anatomy', 'paren', 1, 4);
SELECT pg_catalog.setval('public.calibrators_position_seq', 2, true);
SELECT pg_catalog.setval('public.scopes_id_seq', 2, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT pk_activations PRIMARY KEY (sequence);
ALTER TABLE ONLY public.calibrators
    ADD CONSTRAINT pk_calibrators PRIMARY KEY ("position");
ALTER TABLE ONLY public.clock
    ADD CONSTRAINT pk_clock PRIMARY KEY (id);
ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT pk_scopes PRIMARY KEY (id);
ALTER TABLE ONLY public.calibrators
    ADD CONSTRAINT uq_calibrators_id UNIQUE (id);
ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT uq_scopes_model_revision_task_reading_format_version_options UNIQUE (model, revision, task, reading, format_version, options);
CREATE INDEX ix_activations_scope_id_sequence ON public.activations USING btree (scope_id, sequence);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT fk_activations_calibrator_id FOREIGN KEY (calibrator_id) REFERENCES public.calibrators(id);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT fk_activations_parent FOREIGN KEY (parent) REFERENCES public.activations(sequence);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT fk_activations_scope_id FOREIGN KEY (scope_id) REFERENCES public.scopes(id);
ALTER TABLE ONLY public.calibrators
    ADD CONSTRAINT fk_calibrators_scope_id FOREIGN KEY (scope_id) REFERENCES public.scopes(id);
