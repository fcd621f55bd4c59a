-- +goose Up

-- What people did: one row for each action, written before the action is taken and
-- completed after it. Rows are never changed otherwise, and never deleted: they are few.
CREATE TABLE courier.audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    who         text NOT NULL,
    how         text NOT NULL CHECK (how IN ('none', 'basic', 'header', 'oidc', 'command')),
    action      text NOT NULL,
    target      text NOT NULL DEFAULT '',
    -- What chose the rows of an action on many, as the page's address has it.
    filter      jsonb NOT NULL DEFAULT '{}',
    -- How many rows the action was confirmed for, and how many it changed.
    expected    bigint,
    changed     bigint,
    reason      text NOT NULL DEFAULT '',
    -- Null while the action is under way. It stays null where the process ended meanwhile.
    result      text CHECK (result IN ('done', 'failed', 'refused')),
    message     text NOT NULL DEFAULT '',
    finished_at timestamptz
);
CREATE INDEX audit_action ON courier.audit (action, id);
CREATE INDEX audit_who ON courier.audit (who, id);

CREATE VIEW courier.audit_log AS
SELECT a.id, a.at, a.who, a.how, a.action, a.target, a.filter, a.expected, a.changed, a.reason,
    coalesce(a.result, 'started') AS result, a.message, a.finished_at
FROM courier.audit a;

COMMENT ON VIEW courier.audit_log IS 'What people did in the console and by commands: who, when, to what, why, and how it ended.';
COMMENT ON COLUMN courier.audit_log.id IS 'Number of the action; later actions have higher ones.';
COMMENT ON COLUMN courier.audit_log.at IS 'When the action was begun.';
COMMENT ON COLUMN courier.audit_log.who IS 'Name of who acted, as the login knows it; of a command the user and the host.';
COMMENT ON COLUMN courier.audit_log.how IS 'How the name is known: none (a console on loopback without login), basic, header, oidc or command.';
COMMENT ON COLUMN courier.audit_log.action IS 'What was done, such as pause_account or replay_dead_letters.';
COMMENT ON COLUMN courier.audit_log.target IS 'To what: an account, a dead letter, a run; empty where a filter chose.';
COMMENT ON COLUMN courier.audit_log.filter IS 'What chose the rows of an action on many; {} of an action on one.';
COMMENT ON COLUMN courier.audit_log.expected IS 'How many rows were shown to who confirmed the action; null where nothing was counted.';
COMMENT ON COLUMN courier.audit_log.changed IS 'How many rows the action changed; null while it is under way and where nothing is counted.';
COMMENT ON COLUMN courier.audit_log.reason IS 'Why, in the words of who acted.';
COMMENT ON COLUMN courier.audit_log.result IS 'started, done, failed, or refused (the state of what it is about did not allow it). An action that stays started belongs to a process that ended.';
COMMENT ON COLUMN courier.audit_log.message IS 'What failed or was refused, in words.';
COMMENT ON COLUMN courier.audit_log.finished_at IS 'When the action ended.';

-- +goose Down
DROP VIEW courier.audit_log;
DROP TABLE courier.audit;
