//! What each language is asked, and what its console answers.

/// Code and what it shows, or a word that must be in what it tells.
type Pair = (&'static str, &'static str);

pub struct Case {
    pub id: &'static str,
    pub value: Pair,
    /// Keeps 41 somewhere and shows nothing.
    pub set: &'static str,
    /// Reads it back.
    pub get: Pair,
    pub error: Pair,
    /// Prints `안녕 ☃`.
    pub unicode: &'static str,
    /// Never ends, burning CPU.
    pub endless: &'static str,
    /// Asks for one line, `한 줄`, and shows something.
    pub input: Option<Pair>,
    /// Shows the variable MADANG_TEST, `b c=d`.
    pub environment: Option<Pair>,
    /// Prints SIZE bytes and perhaps a line end.
    pub large: &'static str,
    /// Ends the process with 3.
    pub exit: Option<&'static str>,
    /// Programs for `script`; none where the driver does not answer it.
    pub script: Option<&'static [&'static str]>,
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![python(), javascript(), ruby()];
    cases.extend(without_script());
    cases
}

fn python() -> Case {
    Case {
        id: "python",
        value: ("1 + 1", "2"),
        set: "x = 41",
        get: ("x + 1", "42"),
        error: ("def f():\n    return 1 / 0\nf()", "line 2, in f\n    return 1 / 0"),
        unicode: "print('안녕 ☃')",
        endless: "while True: pass",
        input: Some(("input('? ')", "'한 줄'")),
        environment: Some(("import os; os.environ['MADANG_TEST']", "'b c=d'")),
        large: "print('x' * SIZE)",
        exit: Some("import sys; sys.exit(3)"),
        script: Some(&[
            "import sys, os\nprint(sys.argv, __name__, __file__, sys.path[0], sorted(globals()), os.listdir('/proc/self/fd'))\nprint('e', file=sys.stderr)\nprint(input(), sys.stdin.read())",
            "import sys\nsys.exit('bad')",
            "import atexit, threading, sys\natexit.register(print, 'bye')\nthreading.Thread(target=print, args=('thread',)).start()\nsys.exit(7)",
            "def f():\n    raise ValueError('x')\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    f()",
            "x = = 1",
            "raise KeyboardInterrupt",
            "import os\nprint('lost')\nos._exit(5)",
            "class A:\n    def __del__(self): print('del')\na = A()",
            "import pickle, warnings\nclass A: pass\nprint(pickle.dumps(A()))\nwarnings.warn('w')",
        ]),
    }
}

fn javascript() -> Case {
    Case {
        id: "javascript",
        value: ("1 + 1", "2"),
        set: "const x = 41; undefined",
        get: ("x + await 1", "42"),
        error: ("function f() { throw new Error('q') }\nf()", "Error: q\n    at f (query-"),
        unicode: "console.log('안녕 ☃')",
        endless: "while (true) {}",
        input: Some(("(await new Promise((r) => process.stdin.once('data', r))).toString()", "'한 줄\\n'")),
        environment: Some(("process.env.MADANG_TEST", "'b c=d'")),
        large: "console.log('x'.repeat(SIZE))",
        exit: Some("process.exit(3)"),
        script: Some(&[
            "console.log(process.argv, require.main === module, __filename, module.id, require('fs').readFileSync(0, 'utf8'))",
            "console.error('e'); process.exit(4)",
            "setTimeout(() => console.log('late'), 5); process.on('exit', () => console.log('bye'))",
            "process.stdin.on('data', (data) => console.log(String(data)))",
            "process.exitCode = 9; import('fs').then((fs) => console.log(typeof fs.readFileSync))",
        ]),
    }
}

fn ruby() -> Case {
    Case {
        id: "ruby",
        value: ("1 + 1", "=> 2"),
        set: "x = 41; nil",
        get: ("x + 1", "=> 42"),
        error: ("def f = raise('q')\nf", "(query 2):1:in `f': q (RuntimeError)"),
        unicode: "puts '안녕 ☃'",
        endless: "loop {}",
        input: Some(("gets", "=> \"한 줄\\n\"")),
        environment: Some(("ENV['MADANG_TEST']", "=> \"b c=d\"")),
        large: "puts 'x' * SIZE",
        exit: Some("exit 3"),
        script: Some(&[
            "p ARGV, __FILE__, $0, __FILE__ == $0, self, local_variables, __dir__\nputs gets\np $stdin.read",
            "at_exit { puts 1 }\nabort 'bad'",
            "def f; raise 'q'; rescue; raise 'z'; end\nf",
            "x = = 1",
            "p DATA.read\n__END__\nhello\n",
            "Process.kill('INT', $$); sleep 60",
        ]),
    }
}

fn without_script() -> Vec<Case> {
    vec![
        Case {
            id: "bash",
            value: ("echo $((1 + 1))", "2"),
            set: "x=41",
            get: ("echo $((x + 1))", "42"),
            error: ("no_such_command", "line 1: no_such_command: command not found"),
            unicode: "echo '안녕 ☃'",
            endless: "f() { while :; do :; done; }; f; echo no",
            input: Some(("read -r line; echo \"$line\"", "한 줄")),
            environment: Some(("echo \"$MADANG_TEST\"", "b c=d")),
            large: "printf '%0SIZEd\\n' 0",
            exit: Some("exit 3"),
            script: None,
        },
        Case {
            id: "julia",
            value: ("1 + 1", "2"),
            set: "x = 41;",
            get: ("x + 1", "42"),
            error: ("error(\"q\")", "q"),
            unicode: "println(\"안녕 ☃\")",
            endless: "while true; sqrt(x); end",
            input: None,
            environment: Some(("ENV[\"MADANG_TEST\"]", "\"b c=d\"")),
            large: "println(\"x\"^SIZE)",
            exit: Some("exit(3)"),
            script: None,
        },
        Case {
            id: "lua",
            value: ("1 + 1", "2"),
            set: "x = 41",
            get: ("x + 1", "42"),
            error: ("error('q')", "query 2:1: q"),
            unicode: "print('안녕 ☃')",
            endless: "while true do end",
            input: Some(("io.read()", "한 줄")),
            environment: Some(("os.getenv('MADANG_TEST')", "b c=d")),
            large: "print(('x'):rep(SIZE))",
            exit: Some("os.exit(3)"),
            script: None,
        },
        Case {
            id: "octave",
            value: ("1 + 1", "ans = 2"),
            set: "x = 41;",
            get: ("x + 1", "ans = 42"),
            error: ("error ('q')", "error: q"),
            unicode: "disp ('안녕 ☃')",
            endless: "while true; end",
            input: Some(("a = input ('? ', 's')", "a = 한 줄")),
            environment: Some(("getenv ('MADANG_TEST')", "ans = b c=d")),
            large: "puts (repmat ('x', 1, SIZE));",
            exit: Some("exit (3)"),
            script: None,
        },
        Case {
            id: "perl",
            value: ("1 + 1", "2"),
            set: "my $x = 41; undef",
            get: ("$x + 1", "42"),
            error: ("die 'q'", "q at query 2 line 1."),
            unicode: "print \"안녕 ☃\\n\"",
            endless: "while (1) {}",
            input: Some(("my $line = <STDIN>; chomp $line; $line", "한 줄")),
            environment: Some(("$ENV{MADANG_TEST}", "b c=d")),
            large: "print 'x' x SIZE",
            exit: Some("exit 3"),
            script: None,
        },
        Case {
            id: "php",
            value: ("1 + 1", "2"),
            set: "$x = 41;",
            get: ("$x + 1", "42"),
            error: ("throw new Exception('q');", "Uncaught Exception: q in query:1"),
            unicode: "echo \"안녕 ☃\\n\";",
            endless: "while (true);",
            input: Some(("readline()", "'한 줄'")),
            environment: Some(("getenv('MADANG_TEST')", "'b c=d'")),
            large: "echo str_repeat('x', SIZE);",
            exit: Some("exit(3);"),
            script: None,
        },
        Case {
            id: "r",
            value: ("1 + 1", "[1] 2"),
            set: "x <- 41",
            get: ("x + 1", "[1] 42"),
            error: ("f <- function() stop('q')\nf()", "Error in f() : q"),
            unicode: "cat('안녕 ☃\\n')",
            endless: "while (TRUE) {}",
            input: Some(("readline('? ')", "[1] \"한 줄\"")),
            environment: Some(("Sys.getenv('MADANG_TEST')", "[1] \"b c=d\"")),
            large: "cat(strrep('x', SIZE))",
            exit: Some("quit(status = 3)"),
            script: None,
        },
        Case {
            id: "sql",
            value: ("SELECT 1 + 1", "2"),
            set: "CREATE TABLE t(x); INSERT INTO t VALUES (41);",
            get: ("SELECT x + 1 FROM t;", "42"),
            error: ("SELECT * FROM nope", "no such table: nope"),
            unicode: "SELECT '안녕 ☃'",
            endless: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c",
            input: None,
            environment: None,
            large: "SELECT replace(hex(zeroblob(SIZE / 2)), '0', 'x')",
            exit: None,
            script: None,
        },
    ]
}
