-- +goose Up

-- A text as a string of JSON: as it is, and as encoders write it that escape slashes, and all
-- that is not ASCII, as that of PHP. In quotes, so that no longer text has it.
-- +goose StatementBegin
CREATE FUNCTION courier.json_forms(of_text text) RETURNS bytea[]
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(DISTINCT convert_to(x.form, 'UTF8'))
    FROM (SELECT to_json(of_text)::text AS plain, string_agg(CASE WHEN ascii(c) < 128 THEN c
            WHEN ascii(c) < 65536 THEN '\u' || lpad(to_hex(ascii(c)), 4, '0')
            ELSE '\u' || to_hex(55296 + (ascii(c) - 65536) / 1024) || '\u' || to_hex(56320 + (ascii(c) - 65536) % 1024) END, '' ORDER BY o) AS escaped
        FROM regexp_split_to_table(to_json(of_text)::text, '') WITH ORDINALITY s(c, o)) t
    CROSS JOIN LATERAL (VALUES (t.plain), (replace(t.plain, '/', '\/')), (t.escaped), (replace(t.escaped, '/', '\/'))) x(form)
$$;
-- +goose StatementEnd

-- Erases what is kept of one item of an account that people may not keep: values, texts and
-- the item's id. Rows that others need to count and to find their place stay without them;
-- an empty id is the id of no item. Nothing of another item changes, whatever its id is like.
-- It is for the owner of the schema, and takes the lock of the partition's fence, so that
-- nothing of the item becomes final or open meanwhile.
--
-- in_batches are all batches that the item was in, and in_records its record in each, -1 for
-- one that cannot be told. The caller has taken the item out of their payloads before, which
-- are compressed, and undoes everything where open is not 0: it counts what is not final, and
-- batches that the caller does not know. behind counts transactions that the index of items has
-- still to read of the item, and posting those that webhooks have: what they read before would
-- be written after.
-- +goose StatementBegin
CREATE FUNCTION courier.erase_item(of_account text, of_item text, in_batches uuid[], in_records integer[]) RETURNS TABLE (what text, touched bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lanes   integer[];
    parts   integer[];
    routes  integer[];
    shops   integer[];
    ids     text[];
    n       bigint;
    plain   text := to_json(of_item)::text;
    -- What deliveries may name the item by: its id, and the field that a source makes it of.
    forms   bytea[];
    number  text;
    -- The id inside of a text of another item, where no longer id has it. One of a few letters
    -- may be any word of the text.
    inside  text := CASE WHEN length(of_item) < 4 THEN '(?!)' ELSE
        '(?<![[:alnum:]_-])' || regexp_replace(btrim(plain, '"'), '([^[:alnum:]])', '\\\1', 'g') || '(?![[:alnum:]_-])' END;
BEGIN
    SELECT coalesce(array_agg(l.id), '{}'), coalesce(array_agg(DISTINCT l.partition), '{}') INTO lanes, parts
    FROM courier.lane l WHERE l.account = of_account;
    SELECT coalesce(array_agg(r.id), '{}'), coalesce(array_agg(DISTINCT r.source), '{}') INTO routes, shops
    FROM courier.source_route r WHERE r.account = of_account;

    SELECT array_agg(f.form), string_agg(DISTINCT '"[[:alnum:]_]*id" *: *' || u.id || '[^0-9.]', '|') FILTER (WHERE u.id ~ '^[0-9]+$') INTO forms, number
    FROM (
        SELECT of_item AS id UNION
        SELECT substr(of_item, length(t.part[1]) + 1, length(of_item) - length(t.part[1]) - length(t.part[2]))
        FROM courier.source s CROSS JOIN LATERAL regexp_match(s.item_id, '^([^{}]*)\{[^{}]*\}([^{}]*)$') t(part)
        WHERE s.id = ANY (shops) AND starts_with(of_item, t.part[1]) AND right(of_item, length(t.part[2])) = t.part[2]
            AND length(of_item) > length(t.part[1]) + length(t.part[2])
    ) u CROSS JOIN LATERAL unnest(courier.json_forms(u.id)) f(form);

    -- Posts of outcomes that no receiver took yet: what became of the mutation is still told.
    -- Its id stays, as in the table of mutations. Before the lock, as bodies are large.
    UPDATE courier.outcome_delivery d SET body = convert_to(j.erased::text, 'UTF8')
    FROM (
        SELECT x.id, jsonb_set(x.body, '{data}', jsonb_agg(CASE WHEN NOT e.found THEN e.event
            ELSE (e.event - 'subject') || jsonb_build_object('data', (e.event -> 'data') - 'localization' - 'warnings'
                || '{"item_id": ""}' || CASE WHEN e.event -> 'data' ? 'errors' THEN '{"errors": [{"code": "erased", "message": "erased"}]}' ELSE '{}'::jsonb END)
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

    PERFORM 1 FROM courier.lease e WHERE e.partition = ANY (parts) ORDER BY e.partition FOR UPDATE;

    what := 'open';
    SELECT count(*), coalesce(array_agg(m.mutation_id), '{}') INTO touched, ids FROM courier.mutation m LEFT JOIN courier.batch b ON b.id = m.batch_id
    WHERE m.lane = ANY (lanes) AND m.item_id = of_item
        AND (m.state = 1 OR m.state = 0 AND b.finished_at IS NULL OR m.batch_id IS NOT NULL AND NOT m.batch_id = ANY (in_batches));
    SELECT touched + count(*) INTO touched FROM courier.batch b
    WHERE b.id = ANY (in_batches) AND b.finished_at IS NULL;
    SELECT touched + count(*) INTO touched FROM courier.webhook_delivery d
    WHERE d.source = ANY (shops) AND d.state = 'pending'
        AND (EXISTS (SELECT FROM unnest(forms) f WHERE position(f IN d.body) > 0) OR courier.readable(d.body) ~ number);
    RETURN NEXT;

    SELECT coalesce(array_agg(m.mutation_id), '{}') INTO ids FROM courier.mutation m WHERE m.lane = ANY (lanes) AND m.item_id = of_item;
    FOR what, touched IN
        SELECT CASE c.consumer WHEN 'items' THEN 'behind' ELSE 'posting' END, count(*)
        FROM courier.outcome_cursor c JOIN courier.outcome o ON o.partition = c.partition AND o.number > c.number
        WHERE c.partition = ANY (parts) AND (c.consumer = 'items' OR c.consumer LIKE 'webhook:%')
            AND (o.batches && in_batches OR o.mutation_ids && ids)
        GROUP BY 1
    LOOP
        RETURN NEXT;
    END LOOP;
    IF EXISTS (SELECT FROM courier.item_filling f WHERE f.started_at IS NOT NULL AND f.finished_at IS NULL) THEN
        what := 'behind';
        touched := 1;
        RETURN NEXT;
    END IF;

    -- A letter whose message cannot be read has no item, but may have its id.
    what := 'dead letters deleted';
    DELETE FROM courier.dead_letter d WHERE d.lane = ANY (lanes)
        AND (d.item_id = of_item OR d.item_id = '' AND EXISTS (SELECT FROM unnest(courier.json_forms(of_item)) f WHERE position(f IN d.body) > 0));
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'results without their texts';
    UPDATE courier.record_outcome o SET errors = CASE WHEN o.errors IS NOT NULL THEN '[{"code": "erased", "message": "erased"}]'::jsonb END, warnings = NULL
    FROM courier.mutation m
    WHERE m.lane = ANY (lanes) AND m.item_id = of_item AND o.batch_id = m.batch_id AND o.record = m.record AND o.batch_id = ANY (in_batches);
    GET DIAGNOSTICS touched = ROW_COUNT;
    UPDATE courier.record_outcome o SET errors = CASE WHEN o.errors IS NOT NULL THEN '[{"code": "erased", "message": "erased"}]'::jsonb END, warnings = NULL
    FROM unnest(in_batches, in_records) e(batch_id, record)
    WHERE o.batch_id = e.batch_id AND o.record = e.record AND o.batch_id = ANY (in_batches)
        AND (o.warnings IS NOT NULL OR o.errors <> '[{"code": "erased", "message": "erased"}]');
    GET DIAGNOSTICS n = ROW_COUNT;
    touched := touched + n;
    -- What a platform says of a whole request may quote an item of it.
    UPDATE courier.attempt t SET notes = NULL, answer = NULL, error = CASE WHEN t.error IS NOT NULL THEN 'erased' END
    WHERE t.batch_id = ANY (in_batches) AND (t.notes IS NOT NULL OR t.answer IS NOT NULL OR t.error <> 'erased');
    UPDATE courier.batch b SET answer = NULL, error = CASE WHEN b.error IS NOT NULL THEN 'erased' END
    WHERE b.id = ANY (in_batches) AND (b.answer IS NOT NULL OR b.error <> 'erased');
    RETURN NEXT;

    what := 'texts of other items without the id';
    UPDATE courier.record_outcome o SET errors = regexp_replace(o.errors::text, inside, 'erased', 'g')::jsonb,
        warnings = regexp_replace(o.warnings::text, inside, 'erased', 'g')::jsonb
    WHERE o.batch_id = ANY (in_batches) AND (o.errors::text ~ inside OR o.warnings::text ~ inside);
    GET DIAGNOSTICS touched = ROW_COUNT;
    UPDATE courier.dead_letter d SET text = regexp_replace(d.text, inside, 'erased', 'g'), errors = regexp_replace(d.errors::text, inside, 'erased', 'g')::jsonb
    WHERE d.lane = ANY (lanes) AND d.batch_id = ANY (in_batches) AND (d.text ~ inside OR d.errors::text ~ inside);
    GET DIAGNOSTICS n = ROW_COUNT;
    touched := touched + n;
    UPDATE courier.item i SET message = regexp_replace(i.message, inside, 'erased', 'g')
    WHERE i.lane = ANY (lanes) AND i.failed_at IS NOT NULL AND i.item_id <> of_item AND i.message ~ inside;
    GET DIAGNOSTICS n = ROW_COUNT;
    touched := touched + n;
    UPDATE courier.item i SET message = regexp_replace(i.message, inside, 'erased', 'g')
    WHERE i.lane = ANY (lanes) AND i.failed_at IS NULL AND i.status <> 1 AND i.item_id <> of_item AND i.message ~ inside;
    GET DIAGNOSTICS n = ROW_COUNT;
    touched := touched + n;
    RETURN NEXT;

    what := 'mutations without the item';
    UPDATE courier.mutation m SET item_id = '', localization = NULL, warnings = NULL
    WHERE m.lane = ANY (lanes) AND m.item_id = of_item;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'versions deleted';
    DELETE FROM courier.item_version v WHERE v.lane = ANY (lanes) AND v.item_id = of_item;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'entries of the item index deleted';
    DELETE FROM courier.item i WHERE i.lane = ANY (lanes) AND i.item_id = of_item;
    GET DIAGNOSTICS touched = ROW_COUNT;
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
    WHERE d.source = ANY (shops)
        AND (EXISTS (SELECT FROM unnest(forms) f WHERE position(f IN d.body) > 0) OR courier.readable(d.body) ~ number);
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'runs without findings about the item';
    UPDATE courier.source_run r
    SET findings = (SELECT coalesce(jsonb_agg(f ORDER BY o), '[]') FROM jsonb_array_elements(r.findings) WITH ORDINALITY x(f, o)
        WHERE position(plain IN f::text) = 0 OR f ? 'item_id' AND f ->> 'item_id' <> of_item
            OR f ? 'route' AND split_part(f ->> 'route', '/', 1) <> of_account)
    WHERE r.source = ANY (shops) AND position(plain IN r.findings::text) > 0;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN NEXT;

    what := 'notices and actions without the id';
    UPDATE courier.notice x SET content = regexp_replace(x.content::text, inside, 'erased', 'g')::jsonb
    WHERE position('"' || of_account || '"' IN x.content::text) > 0 AND x.content::text ~ inside;
    GET DIAGNOSTICS touched = ROW_COUNT;
    UPDATE courier.audit a SET filter = replace(a.filter::text, plain, '"erased"')::jsonb
    WHERE position(plain IN a.filter::text) > 0 AND (NOT a.filter ? 'account' OR position('"' || of_account || '"' IN a.filter::text) > 0);
    GET DIAGNOSTICS n = ROW_COUNT;
    touched := touched + n;
    RETURN NEXT;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION courier.erase_item(text, text, uuid[], integer[]) FROM PUBLIC;

-- +goose Down
DROP FUNCTION courier.erase_item(text, text, uuid[], integer[]);
DROP FUNCTION courier.json_forms(text);
