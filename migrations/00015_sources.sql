-- +goose Up

-- What is kept of sources: feeds and webhooks of shops that enqueue turns into mutations.

-- A source, by the name that the configuration gives it. The template of its item ids is
-- kept from the first run on: another one would send every item twice and delete none.
CREATE TABLE courier.source (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    item_id      text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- One process at a time runs a source. It holds it until runner_until, by the
    -- database's clock, and run_token grows when another takes it: a row and not an
    -- advisory lock, which a connection pooler between would give to somebody else.
    runner       text,
    runner_until timestamptz,
    run_token    bigint NOT NULL DEFAULT 0,
    -- The newest snapshot that was worked through, by the time it was true at.
    snapshot_at  timestamptz,
    -- What the last download was, so that an unchanged file is not read again.
    fingerprint  text,
    -- When a webhook was received last.
    webhook_at   timestamptz,
    -- After how long without a good run or a webhook the source counts as silent, as it was
    -- configured when it was used last.
    silent_after interval
);

-- A destination of a source.
CREATE TABLE courier.source_route (
    id               integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           integer NOT NULL REFERENCES courier.source,
    account          text NOT NULL,
    catalog          text NOT NULL,
    catalog_type     text NOT NULL,
    -- Digest of the mapping that the last run was made with, to say that a run changes
    -- much because of it.
    mapping_revision text NOT NULL DEFAULT '',
    -- While deletes are withheld: how many items the destination had when they were
    -- withheld first, so that what is added meanwhile does not make them a smaller part.
    guard_known      integer,
    UNIQUE (source, account, catalog, catalog_type)
);

-- The names of attributes that items have. A source's items share a few such lists, and
-- a list in each row would take more room than the rest of the row.
CREATE TABLE courier.source_shape (
    id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    names  text[] NOT NULL
);

-- What was last sent of an item to a destination. revision 0 means nothing yet; hash is a
-- digest of the attributes. A deleted item is kept for a while as gone, so that an
-- older snapshot does not bring it back.
CREATE TABLE courier.source_item (
    route      integer NOT NULL,
    item_id    text COLLATE "C" NOT NULL,
    hash       bytea,
    shape      integer,
    revision   integer NOT NULL DEFAULT 0,
    gone       boolean NOT NULL DEFAULT false,
    missing    smallint NOT NULL DEFAULT 0,
    missing_at timestamptz, -- the last snapshot that missing counts
    changed_at timestamptz,
    sent_at    timestamptz,
    group_id   text COLLATE "C",
    PRIMARY KEY (route, item_id)
) WITH (fillfactor = 90);

-- For products whose deletion ends all their variants.
CREATE INDEX source_item_group ON courier.source_item (route, group_id) WHERE group_id IS NOT NULL;

-- The runs of a source. counts has an object for each route, findings a bounded list.
CREATE TABLE courier.source_run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      integer NOT NULL REFERENCES courier.source,
    token       bigint NOT NULL,
    trigger     text NOT NULL,
    state       text NOT NULL DEFAULT 'reading'
        CHECK (state IN ('reading', 'publishing', 'planned', 'done', 'unchanged', 'withheld', 'invalid', 'stopped', 'failed', 'abandoned')),
    started_at  timestamptz NOT NULL DEFAULT now(),
    progress_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    snapshot_at timestamptz,
    bytes_read  bigint NOT NULL DEFAULT 0,
    items_read  bigint NOT NULL DEFAULT 0,
    published   bigint NOT NULL DEFAULT 0,
    to_publish  bigint NOT NULL DEFAULT 0,
    approved    integer NOT NULL DEFAULT 0,
    counts      jsonb NOT NULL DEFAULT '[]',
    findings    jsonb NOT NULL DEFAULT '[]',
    reason      text
);
CREATE INDEX source_run_newest ON courier.source_run (source, id);

-- Webhook deliveries, kept for some days so that they can be looked at and replayed.
CREATE TABLE courier.webhook_delivery (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      integer NOT NULL REFERENCES courier.source,
    received_at timestamptz NOT NULL DEFAULT now(),
    delivery_id text NOT NULL,
    topic       text NOT NULL,
    -- accepted: its changes were published or none was needed; partial: some of its items
    -- could not be mapped; rejected: none could; ignored: its topic is not about items;
    -- pending: items have to be fetched from the shop, and nothing was done yet.
    state       text NOT NULL CHECK (state IN ('accepted', 'partial', 'rejected', 'ignored', 'pending')),
    published   integer NOT NULL DEFAULT 0,
    unchanged   integer NOT NULL DEFAULT 0,
    -- Items of which something newer was sent before.
    older       integer NOT NULL DEFAULT 0,
    reason      text,
    findings    jsonb NOT NULL DEFAULT '[]',
    headers     jsonb NOT NULL DEFAULT '{}',
    body        bytea,
    replayed_at timestamptz,
    -- Of a pending delivery: how often the shop was asked, and when it is asked again.
    attempts    integer NOT NULL DEFAULT 0,
    retry_at    timestamptz,
    UNIQUE (source, delivery_id)
);
CREATE INDEX webhook_delivery_pending ON courier.webhook_delivery (source, retry_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_age ON courier.webhook_delivery (received_at);
CREATE INDEX webhook_delivery_newest ON courier.webhook_delivery (source, id);

-- Which items of a route a product of a shop has. A delivery that deletes a product names
-- it by the shop's id, which items need not have in their ids or their group.
CREATE TABLE courier.webhook_product (
    route      integer NOT NULL REFERENCES courier.source_route,
    product_id text COLLATE "C" NOT NULL,
    group_id   text COLLATE "C" NOT NULL DEFAULT '',
    -- Of a product without a group.
    item_id    text COLLATE "C" NOT NULL DEFAULT '',
    -- When the shop said that it deleted the product, by its clock: what it sent before and
    -- comes later changes nothing.
    deleted_at timestamptz,
    PRIMARY KEY (route, product_id)
);
CREATE INDEX webhook_product_deleted ON courier.webhook_product (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE VIEW courier.source_status AS
SELECT s.name AS source, r.account, r.catalog, r.catalog_type,
    (SELECT count(*) FROM courier.source_item i WHERE i.route = r.id AND i.revision > 0 AND NOT i.gone) AS items,
    coalesce((route.counts #>> '{counts,invalid}')::bigint, 0) AS invalid, run.state,
    CASE WHEN run.state IN ('withheld', 'invalid', 'stopped') THEN route.counts ->> 'reason' ELSE run.reason END AS reason, run.id AS run, run.started_at, run.finished_at, s.snapshot_at,
    good.finished_at AS last_good_at, s.webhook_at AS last_webhook_at,
    coalesce(greatest(good.finished_at, s.webhook_at, s.created_at) < now() - s.silent_after, false) AS silent,
    s.runner_until IS NOT NULL AND s.runner_until > now() AS running
FROM courier.source s
JOIN courier.source_route r ON r.source = s.id
LEFT JOIN LATERAL (SELECT x.* FROM courier.source_run x WHERE x.source = s.id AND x.state <> 'planned' ORDER BY x.id DESC LIMIT 1) run ON true
LEFT JOIN LATERAL (SELECT x.finished_at FROM courier.source_run x
    WHERE x.source = s.id AND x.state IN ('done', 'unchanged', 'withheld') ORDER BY x.id DESC LIMIT 1) good ON true
LEFT JOIN LATERAL (SELECT c.entry AS counts FROM jsonb_array_elements(coalesce((
        SELECT x.counts FROM courier.source_run x WHERE x.source = s.id AND x.state NOT IN ('planned', 'unchanged', 'reading') ORDER BY x.id DESC LIMIT 1), '[]')) AS c(entry)
    WHERE c.entry ->> 'route' = r.account || '/' || r.catalog || '/' || r.catalog_type LIMIT 1) route ON true;

CREATE VIEW courier.source_runs AS
SELECT s.name AS source, x.id AS run, x.trigger, x.state, x.reason, x.started_at, x.progress_at, x.finished_at, x.snapshot_at,
    x.bytes_read, x.items_read, x.to_publish, x.published, x.approved, x.counts AS routes, x.findings
FROM courier.source_run x JOIN courier.source s ON s.id = x.source;

CREATE VIEW courier.source_items AS
SELECT s.name AS source, r.account, r.catalog, r.catalog_type, i.item_id, i.group_id, i.gone, i.missing, i.revision, i.changed_at, i.sent_at,
    (SELECT p.names FROM courier.source_shape p WHERE p.id = i.shape) AS attributes
FROM courier.source_item i
JOIN courier.source_route r ON r.id = i.route
JOIN courier.source s ON s.id = r.source
WHERE i.revision > 0 OR i.gone;

CREATE VIEW courier.webhook_deliveries AS
SELECT s.name AS source, d.id, d.received_at, d.delivery_id, d.topic, d.state, d.published, d.unchanged, d.older, d.reason, d.findings, d.headers,
    octet_length(d.body) AS body_bytes, d.replayed_at, d.attempts, d.retry_at
FROM courier.webhook_delivery d JOIN courier.source s ON s.id = d.source;

COMMENT ON VIEW courier.source_status IS 'Routes of sources: how many items each has sent, how the last run ended, whether the source is silent.';
COMMENT ON VIEW courier.source_runs IS 'Runs of sources, with counts and decisions for each route and what is wrong with the feed.';
COMMENT ON VIEW courier.source_items IS 'What was last sent of each item of a source to each destination.';
COMMENT ON VIEW courier.webhook_deliveries IS 'Webhook deliveries that are kept, and what became of them.';

-- +goose Down
DROP VIEW courier.webhook_deliveries, courier.source_items, courier.source_runs, courier.source_status;
DROP TABLE courier.webhook_product, courier.webhook_delivery, courier.source_run, courier.source_item, courier.source_shape, courier.source_route, courier.source;
