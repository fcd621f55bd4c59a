-- Roles with no more rights than they need, for Postgres 14 or newer:
--
--   courier_migrate  owns the schema: "worker migrate" and nothing else
--   courier_worker   what "worker run" and the other commands connect as
--   courier_enqueue  what "enqueue feed" and "enqueue serve" connect as
--   courier_reader   reads the views: dashboards, support, analysts
--   courier_operator what "worker console" connects as: reads, and does what its actions do
--
-- Run it as a superuser in Courier's database, before the first "worker migrate" and
-- again after every one: what a migration adds gets its owner and its grants then.
-- It may be repeated, and it takes over a schema that one role owned alone.
--
--   psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -1 -f deploy/postgres/roles.sql
--
-- It sets no passwords: ALTER ROLE courier_worker PASSWORD '…', or certificates.

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['courier_migrate', 'courier_worker', 'courier_enqueue', 'courier_reader', 'courier_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
        END IF;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO courier_migrate, courier_worker, courier_enqueue, courier_reader, courier_operator', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO courier_migrate', current_database());
END
$$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- The migrator changes the tables that the worker owns, and its views read them.
GRANT courier_worker TO courier_migrate;

-- The console reads what readers read.
GRANT courier_reader TO courier_operator;

CREATE SCHEMA IF NOT EXISTS courier AUTHORIZATION courier_migrate;
ALTER SCHEMA courier OWNER TO courier_migrate;

-- The growing tables are cut into days. A worker makes the coming days, indexes
-- those that are over and drops the old: ATTACH PARTITION and DROP TABLE are for
-- owners, and an index that lets writers go on cannot be made by a function on
-- somebody's behalf. So the worker owns these tables, and may create in the schema.
DO $$
DECLARE
    relation record;
    routine  record;
BEGIN
    FOR relation IN
        SELECT c.relname, c.relkind, (c.relkind = 'p' OR c.relispartition) AS grows
        FROM pg_class c WHERE c.relnamespace = 'courier'::regnamespace AND c.relkind IN ('r', 'p', 'v')
    LOOP
        EXECUTE format('ALTER %s courier.%I OWNER TO %I', CASE relation.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
            relation.relname, CASE WHEN relation.grows THEN 'courier_worker' ELSE 'courier_migrate' END);
        -- Whether a newer change of an item succeeded, or is under way, before a dead letter of it is replayed.
        IF relation.relname IN ('mutation', 'batch', 'record_outcome') THEN
            EXECUTE format('GRANT SELECT ON courier.%I TO courier_operator', relation.relname);
        END IF;
        CONTINUE WHEN relation.grows;
        EXECUTE format('REVOKE ALL ON courier.%I FROM PUBLIC, courier_worker, courier_enqueue, courier_reader, courier_operator', relation.relname);
        IF relation.relkind = 'v' THEN
            EXECUTE format('GRANT SELECT ON courier.%I TO courier_worker, courier_reader', relation.relname);
            IF relation.relname ~ '^(source|webhook)_' THEN
                EXECUTE format('GRANT SELECT ON courier.%I TO courier_enqueue', relation.relname);
            END IF;
        ELSIF relation.relname = 'schema_version' THEN
            EXECUTE format('GRANT SELECT ON courier.%I TO courier_worker, courier_enqueue, courier_operator', relation.relname);
        ELSIF relation.relname ~ '^(source|webhook)(_|$)' THEN -- what is kept of sources
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON courier.%I TO courier_enqueue', relation.relname);
            IF relation.relname ~ '^source' THEN -- to run a source again in which deletes were approved
                EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON courier.%I TO courier_operator', relation.relname);
            END IF;
        ELSIF relation.relname = 'audit' THEN -- what was done is written and completed, and never changed
            EXECUTE format('GRANT SELECT, INSERT, UPDATE (result, message, changed, finished_at) ON courier.%I TO courier_worker, courier_operator', relation.relname);
            EXECUTE format('GRANT SELECT (id, result), INSERT, UPDATE (result, message, changed, finished_at) ON courier.%I TO courier_enqueue', relation.relname);
        ELSIF relation.relname = 'schema_lock' THEN
            NULL; -- migrations lock it, and nobody else
        ELSE
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON courier.%I TO courier_worker', relation.relname);
            CASE relation.relname
                WHEN 'account' THEN
                    EXECUTE format('GRANT SELECT, UPDATE (state, reason, by_hand, resumes_at, pause_ns, updated_at, since) ON courier.%I TO courier_operator', relation.relname);
                WHEN 'dead_letter' THEN
                    EXECUTE format('GRANT SELECT, UPDATE (replayed_at, replayed_by, replaced_by, dismissed_at, dismissed_by, dismiss_reason) ON courier.%I TO courier_operator', relation.relname);
                WHEN 'item' THEN -- who dismisses a dead letter ends its issue
                    EXECUTE format('GRANT SELECT, UPDATE (failed_at) ON courier.%I TO courier_operator', relation.relname);
                WHEN 'lane', 'stream' THEN
                    EXECUTE format('GRANT SELECT ON courier.%I TO courier_operator', relation.relname);
                ELSE
                    NULL;
            END CASE;
        END IF;
    END LOOP;
    FOR routine IN
        SELECT p.oid::regprocedure AS signature FROM pg_proc p WHERE p.pronamespace = 'courier'::regnamespace
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO courier_migrate', routine.signature);
    END LOOP;
END
$$;
-- What lists and searches need beside the views: each reads one page, whatever it is asked.
DO $$
DECLARE
    routine record;
BEGIN
    FOR routine IN
        SELECT p.oid::regprocedure AS signature FROM pg_proc p
        WHERE p.pronamespace = 'courier'::regnamespace AND p.proname IN ('items', 'item', 'newer_changes', 'waiting_items', 'changes_of_item', 'mutations_at')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO courier_worker, courier_reader', routine.signature);
    END LOOP;
END
$$;
GRANT USAGE, CREATE ON SCHEMA courier TO courier_worker;
GRANT USAGE ON SCHEMA courier TO courier_enqueue, courier_reader, courier_operator;

-- An old day is dropped, and a view replaced, only when nobody reads it at that
-- moment: a query or a transaction that never ends would be in the way for ever. A
-- session may set these otherwise for itself, so they help against mistakes, not
-- against malice; whatever a reader does, no change is recorded later for it.
ALTER ROLE courier_reader SET statement_timeout = '60s';
ALTER ROLE courier_reader SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE courier_reader SET lock_timeout = '5s';
