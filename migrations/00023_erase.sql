-- +goose Up

-- Erases what is kept of one item of an account that people may not keep: values, texts and
-- the item's id. Rows that others need to count and to find their place stay without them.
-- open counts what is not final: the caller undoes everything then. It is for the owner of
-- the schema, and takes the lock of the partition's fence, so that nothing of the item
-- becomes final or open meanwhile. earlier are batches that returned the item, which no
-- mutation names any more, and earlier_records its record in each: only their payloads
-- tell, which are compressed.
-- +goose StatementBegin
CREATE FUNCTION courier.erase_item(of_account text, of_item text, earlier uuid[], earlier_records integer[]) RETURNS TABLE (what text, touched bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lanes   integer[];
    routes  integer[];
    sources integer[];
    batches uuid[];
    newest  bigint;
    -- The item's id as it is, and as a JSON encoder writes it that escapes slashes, and all
    -- that is not ASCII: that of PHP.
    forms   bytea[] := ARRAY[convert_to(of_item, 'UTF8'), convert_to(replace(of_item, '/', '\/'), 'UTF8'),
        convert_to(replace((SELECT string_agg(CASE WHEN ascii(c) < 128 THEN c ELSE '\u' || lpad(to_hex(ascii(c)), 4, '0') END, '' ORDER BY n)
            FROM regexp_split_to_table(of_item, '') WITH ORDINALITY s(c, n)), '/', '\/'), 'UTF8')];
    n       bigint;
BEGIN
    SELECT coalesce(array_agg(l.id), '{}') INTO lanes FROM courier.lane l WHERE l.account = of_account;
    SELECT coalesce(array_agg(r.id), '{}'), coalesce(array_agg(DISTINCT r.source), '{}') INTO routes, sources
    FROM courier.source_route r WHERE r.account = of_account;

    -- Posts of outcomes that no receiver took yet: what became of the mutation is still told.
    -- Its id stays, as in the table of mutations. Before the lock, as bodies are large.
    UPDATE courier.outcome_delivery d SET body = convert_to(j.erased::text, 'UTF8')
    FROM (
        SELECT x.id, jsonb_set(x.body, '{data}', jsonb_agg(CASE WHEN NOT e.found THEN e.event
            ELSE e.event || '{"subject": "erased"}' || jsonb_build_object('data', (e.event -> 'data') - 'localization' - 'warnings'
                || '{"item_id": "erased"}' || CASE WHEN e.event -> 'data' ? 'errors' THEN '{"errors": [{"code": "erased", "message": "erased"}]}' ELSE '{}'::jsonb END)
            END ORDER BY e.place)) AS erased
        FROM (SELECT p.id, convert_from(p.body, 'UTF8')::jsonb AS body FROM courier.outcome_delivery p
            WHERE position(convert_to('"' || of_account || '"', 'UTF8') IN p.body) > 0) x
        CROSS JOIN LATERAL (SELECT f.event, f.place, f.event #>> '{data,account}' = of_account AND f.event #>> '{data,item_id}' = of_item AS found
            FROM jsonb_array_elements(x.body -> 'data') WITH ORDINALITY f(event, place)) e
        GROUP BY x.id, x.body HAVING bool_or(e.found)
    ) j
    WHERE d.id = j.id AND d.body IS NOT NULL;
    GET DIAGNOSTICS n = ROW_COUNT;
    what := 'posts of outcomes without the item';
    touched := n;
    RETURN NEXT;

    -- Found before the lock is taken: it may take a while.
    SELECT max(m.sequence), coalesce(array_agg(DISTINCT m.batch_id) FILTER (WHERE m.batch_id IS NOT NULL), '{}') INTO newest, batches
    FROM courier.mutation m WHERE m.lane = ANY (lanes) AND m.item_id = of_item;
    PERFORM 1 FROM courier.lease e
    WHERE e.partition IN (SELECT l.partition FROM courier.lane l WHERE l.account = of_account) ORDER BY e.partition FOR UPDATE;

    what := 'open';
    SELECT count(*) INTO touched FROM courier.mutation m LEFT JOIN courier.batch b ON b.id = m.batch_id
    WHERE m.lane = ANY (lanes) AND m.item_id = of_item
        AND (m.state = 1 OR m.state = 0 AND b.finished_at IS NULL OR m.sequence > coalesce(newest, 0) OR NOT m.batch_id = ANY (batches));
    SELECT touched + count(*) INTO touched FROM courier.webhook_delivery d
    WHERE d.source = ANY (sources) AND d.state = 'pending' AND EXISTS (SELECT FROM unnest(forms) f WHERE position(f IN d.body) > 0);
    RETURN NEXT;

    what := 'dead letters deleted';
    DELETE FROM courier.dead_letter d WHERE d.lane = ANY (lanes) AND d.item_id = of_item;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'results without their texts';
    UPDATE courier.record_outcome o SET errors = CASE WHEN o.errors IS NOT NULL THEN '[{"code": "erased", "message": "erased"}]'::jsonb END, warnings = NULL
    FROM courier.mutation m
    WHERE m.lane = ANY (lanes) AND m.item_id = of_item AND o.batch_id = m.batch_id AND o.record = m.record AND o.batch_id = ANY (batches);
    GET DIAGNOSTICS touched = ROW_COUNT;
    UPDATE courier.record_outcome o SET errors = CASE WHEN o.errors IS NOT NULL THEN '[{"code": "erased", "message": "erased"}]'::jsonb END, warnings = NULL
    FROM unnest(earlier, earlier_records) e(batch_id, record)
    WHERE o.batch_id = e.batch_id AND o.record = e.record AND o.batch_id = ANY (earlier);
    GET DIAGNOSTICS n = ROW_COUNT;
    touched := touched + n;
    batches := batches || earlier;
    -- What a platform says of a whole request may quote an item of it.
    UPDATE courier.attempt t SET notes = NULL, answer = NULL, error = CASE WHEN t.error IS NOT NULL THEN 'erased' END
    WHERE t.batch_id = ANY (batches) AND (t.notes IS NOT NULL OR t.answer IS NOT NULL OR t.error <> 'erased');
    UPDATE courier.batch b SET answer = NULL, error = CASE WHEN b.error IS NOT NULL THEN 'erased' END
    WHERE b.id = ANY (batches) AND (b.answer IS NOT NULL OR b.error <> 'erased');
    RETURN NEXT;

    what := 'batches without their messages';
    UPDATE courier.batch b SET payload = '' WHERE b.id = ANY (batches) AND b.finished_at IS NOT NULL AND b.payload <> '';
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'mutations without the item';
    UPDATE courier.mutation m SET item_id = 'erased', localization = NULL, warnings = NULL
    WHERE m.lane = ANY (lanes) AND m.item_id = of_item;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'versions deleted';
    DELETE FROM courier.item_version v WHERE v.lane = ANY (lanes) AND v.item_id = of_item;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'entries of the item index deleted';
    touched := 0;
    IF to_regclass('courier.item') IS NOT NULL THEN
        EXECUTE 'DELETE FROM courier.item i WHERE i.lane = ANY ($1) AND i.item_id = $2' USING lanes, of_item;
        GET DIAGNOSTICS touched = ROW_COUNT;
    END IF;
    RETURN NEXT;

    what := 'items of sources deleted';
    DELETE FROM courier.source_item i WHERE i.route = ANY (routes) AND i.item_id = of_item;
    GET DIAGNOSTICS touched = ROW_COUNT;
    DELETE FROM courier.webhook_product p WHERE p.route = ANY (routes) AND p.item_id = of_item;
    GET DIAGNOSTICS n = ROW_COUNT;
    touched := touched + n;
    RETURN NEXT;

    what := 'webhook deliveries without their content';
    UPDATE courier.webhook_delivery d SET body = NULL, headers = '{}', findings = '[]', reason = NULL
    WHERE d.source = ANY (sources) AND EXISTS (SELECT FROM unnest(forms) f WHERE position(f IN d.body) > 0);
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'runs without findings about the item';
    UPDATE courier.source_run r
    SET findings = (SELECT coalesce(jsonb_agg(f), '[]') FROM jsonb_array_elements(r.findings) f WHERE position(to_json(of_item)::text IN f::text) = 0)
    WHERE r.source = ANY (sources) AND position(to_json(of_item)::text IN r.findings::text) > 0;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION courier.erase_item(text, text, uuid[], integer[]) FROM PUBLIC;

-- +goose Down
DROP FUNCTION courier.erase_item(text, text, uuid[], integer[]);
