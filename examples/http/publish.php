<?php
// Publishes two mutations; repeats the request with the same key while the server answers 503.
declare(strict_types=1);

function publish(array $mutations, string $key, int $attempts = 5): array
{
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => [
            'Authorization: Bearer ' . getenv('COURIER_TOKEN'),
            'Content-Type: application/x-ndjson',
            'Idempotency-Key: ' . $key,
        ],
        'content' => implode("\n", array_map(fn ($m) => json_encode($m, JSON_THROW_ON_ERROR), $mutations)),
        'ignore_errors' => true, // read the body of a refusal too
        'timeout' => 60,
    ]]);
    while (true) {
        $body = file_get_contents(getenv('COURIER_URL'), false, $context);
        if ($body === false) {
            throw new RuntimeException('the server does not answer');
        }
        $status = (int) explode(' ', $http_response_header[0])[1];
        $answer = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
        if ($status < 300) {
            return $answer;
        }
        if ($status !== 503 || !($answer['repeat_safe'] ?? true) || --$attempts <= 0) {
            foreach ($answer['errors'] ?? [] as $error) {
                fwrite(STDERR, "line {$error['line']}: {$error['detail']}\n");
            }
            throw new RuntimeException("$status: {$answer['detail']}");
        }
        $wait = preg_grep('/^Retry-After:/i', $http_response_header);
        sleep((int) preg_replace('/\D/', '', reset($wait)));
    }
}

echo json_encode(publish([
    ['item_id' => 'SKU-1', 'operation' => 'UPSERT', 'attributes' => ['title' => 'Linen shirt', 'price' => '24.99 USD']],
    ['item_id' => 'SKU-2', 'operation' => 'DELETE'],
], bin2hex(random_bytes(16)))), "\n";
