-- Creates the tables of the queue, unless they exist. Two programs that do so at the same time take
-- turns: the statements of one call are one transaction, which holds this lock.
SELECT pg_advisory_xact_lock(hashtext('nodeloop jobs'));

CREATE TABLE IF NOT EXISTS jobs (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          text NOT NULL UNIQUE,  -- the idempotency key: the same job is added once
    kind         text NOT NULL,         -- selects the handler
    payload      text NOT NULL,
    priority     integer NOT NULL,      -- higher ones first
    state        text NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'done', 'failed')),
    -- A queued or running job may be claimed from this time on. It is the requested start, the end
    -- of the back-off after a failed attempt, or the end of the lease of the worker that runs it.
    run_at       timestamptz NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    worker       bigint,                -- the worker of the last attempt
    error        text                   -- the error of the last attempt that failed
);

-- For the next job to claim, and for the time to wait if none is due.
CREATE INDEX IF NOT EXISTS jobs_by_priority ON jobs (priority DESC, run_at, id)
    WHERE state IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (run_at)
    WHERE state IN ('queued', 'running');

-- What the jobs have achieved. A row is written in the same transaction that ends its job.
CREATE TABLE IF NOT EXISTS effects (
    key    text PRIMARY KEY,
    worker bigint NOT NULL,
    result text NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Each worker takes a number, which is never used again.
CREATE SEQUENCE IF NOT EXISTS workers;
