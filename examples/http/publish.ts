// Publishes two mutations; repeats the request with the same key while the server answers 503.

type Mutation = { item_id: string; operation: string; attributes?: Record<string, unknown>; version?: number };
type Accepted = { accepted: number; ids: string[]; duplicates?: number };

async function publish(mutations: Mutation[], key: string, attempts = 5): Promise<Accepted> {
  while (true) {
    const response = await fetch(process.env.COURIER_URL!, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${process.env.COURIER_TOKEN}`,
        "Content-Type": "application/x-ndjson",
        "Idempotency-Key": key,
      },
      body: mutations.map((m) => JSON.stringify(m)).join("\n"),
      signal: AbortSignal.timeout(60_000),
    });
    const answer = await response.json();
    if (response.ok) return answer;
    if (response.status !== 503 || answer.repeat_safe === false || --attempts <= 0) {
      for (const error of answer.errors ?? []) console.error(`line ${error.line}: ${error.detail}`);
      throw new Error(`${response.status}: ${answer.detail}`);
    }
    await new Promise((done) => setTimeout(done, 1000 * Number(response.headers.get("Retry-After"))));
  }
}

const mutations: Mutation[] = [
  { item_id: "SKU-1", operation: "UPSERT", attributes: { title: "Linen shirt", price: "24.99 USD" } },
  { item_id: "SKU-2", operation: "DELETE" },
];
console.log(JSON.stringify(await publish(mutations, crypto.randomUUID())));
