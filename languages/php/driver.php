<?php
// PHP's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
// Queries are evaluated at the bottom of this file, in the global scope, where their variables live on. PHP's own
// interactive shell shows no values; this one shows that of a query which is one expression without a semicolon.
final class MadangInterrupt extends Exception {}

final class MadangDriver
{
    private const HEADER_BYTES_MAX = 4096;
    public static $requests;
    public static $events;
    public static int $process;
    public static string $code = '';
    public static string $status = 'ok';
    public static mixed $value = null;

    public static function open(): void
    {
        self::$requests = fopen('php://fd/3', 'rb');
        self::$events = fopen('php://fd/4', 'wb');
        self::$process = getmypid();
        pcntl_async_signals(true);
        pcntl_signal(SIGINT, static fn() => null);
        self::send('ready');
    }

    public static function send(string $verb, string $payload = '', string ...$arguments): void
    {
        $event = implode(' ', [$verb, strlen($payload), ...$arguments]) . "\n" . $payload;
        while ($event !== '') {
            $sent = fwrite(self::$events, $event);
            if ($sent === false) {
                exit(70);
            }
            $event = substr($event, $sent);
        }
        fflush(self::$events);
    }

    private static function read(int $length): string
    {
        $bytes = '';
        while (strlen($bytes) < $length) {
            $more = fread(self::$requests, $length - strlen($bytes));
            if ($more === false || ($more === '' && feof(self::$requests))) {
                exit(0);
            }
            $bytes .= $more;
        }
        return $bytes;
    }

    /** Waits for a query; everything else is answered on the way. */
    public static function next(): void
    {
        while (true) {
            $header = fgets(self::$requests, self::HEADER_BYTES_MAX);
            if ($header === false) {
                if (feof(self::$requests)) {
                    exit(0);
                }
                continue;
            }
            [$verb, $length] = explode(' ', rtrim($header));
            $payload = self::read((int) $length);
            if ($verb === 'env') {
                self::setEnvironment($payload);
            } elseif ($verb === 'exec') {
                self::$code = preg_replace('/\A\s*<\?(php\b|=)?/', '', $payload);
                self::$status = 'ok';
                self::$value = null;
                return;
            }
        }
    }

    private static function setEnvironment(string $payload): void
    {
        foreach (explode("\0", $payload) as $entry) {
            if (strpos($entry, '=') > 0) {
                putenv($entry);
                [$key, $value] = explode('=', $entry, 2);
                $_ENV[$key] = $_SERVER[$key] = $value;
            }
        }
    }

    /** The query as something `eval` takes: an expression's value is returned to be shown. */
    public static function source(): string
    {
        pcntl_signal(SIGINT, static fn() => throw new MadangInterrupt('Interrupted'));
        $expression = 'return ' . self::$code . "\n;";
        return self::isExpression($expression) ? $expression : self::$code . "\n;";
    }

    private static function isExpression(string $returned): bool
    {
        $code = trim(self::$code);
        if ($code === '' || str_ends_with($code, ';') || preg_match('/\A(echo|print)\b/i', $code)) {
            return false;
        }
        try {
            PhpToken::tokenize('<?php ' . $returned, TOKEN_PARSE);
            return true;
        } catch (ParseError) {
            return false;
        }
    }

    /** What PHP says of a place in evaluated code, in words of the user's. */
    private static function place(string $text): string
    {
        return preg_replace('~' . preg_quote(__FILE__, '~') . "\\(\\d+\\) : eval\\(\\)'d code~", 'query', $text);
    }

    public static function warn(int $level, string $message, string $file, int $line): bool
    {
        if (error_reporting() & $level) {
            $kind = $level & (E_NOTICE | E_USER_NOTICE) ? 'Notice' : ($level & (E_DEPRECATED | E_USER_DEPRECATED) ? 'Deprecated' : 'Warning');
            fwrite(STDERR, "$kind: $message in " . self::place($file) . " on line $line\n");
        }
        return true;
    }

    public static function fail(Throwable $error): void
    {
        if ($error instanceof MadangInterrupt) {
            self::$status = 'interrupted';
            fwrite(STDERR, "Interrupted\n");
            return;
        }
        self::$status = 'error';
        $lines = preg_grep('~' . preg_quote(__FILE__, '~') . '\(\d+\): eval\(\)|\A#\d+ \{main\}~', explode("\n", (string) $error), PREG_GREP_INVERT);
        $text = preg_replace('/\nStack trace:\s*\z/', '', self::place(implode("\n", $lines)));
        fwrite(STDERR, 'PHP Fatal error:  Uncaught ' . rtrim($text) . "\n");
    }

    public static function finish(): void
    {
        pcntl_signal(SIGINT, static fn() => null);
        if (self::$status === 'ok' && self::$value !== null) {
            echo is_scalar(self::$value) ? var_export(self::$value, true) : rtrim(print_r(self::$value, true)), "\n";
        }
        while (ob_get_level() > 0) {
            ob_end_flush();
        }
        fflush(STDOUT);
        if (getmypid() !== self::$process) {
            posix_kill(getmypid(), SIGKILL); // a child that the program forked and let run on
        }
        self::send('done', '', self::$status);
    }
}

// The recipe disables the built-in one, which could not say that it waits.
if (!function_exists('readline')) {
    function readline(?string $prompt = null): string|false
    {
        MadangDriver::send('input', (string) $prompt, 'echo');
        $line = fgets(STDIN);
        return $line === false ? false : rtrim($line, "\r\n");
    }
}

set_error_handler([MadangDriver::class, 'warn']);
unset($argv, $argc);
MadangDriver::open();
while (true) {
    MadangDriver::next();
    try {
        MadangDriver::$value = eval(MadangDriver::source());
    } catch (Throwable $__error) {
        MadangDriver::fail($__error);
        unset($__error);
    }
    MadangDriver::finish();
}
