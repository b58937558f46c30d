//! Every bound on what a client may send, by name. What is over a bound is answered with 413 or 422 and the bound's name.

/// Body of a JSON request, bytes. Code and files travel in it.
pub const JSON_BODY_BYTES_MAX: usize = 16 << 20;
/// Body of a request that needs no identity, bytes.
pub const STRANGER_BODY_BYTES_MAX: usize = 64 << 10;
/// Body of an uploaded file, bytes; the sandbox's own disk limit usually bites first.
pub const FILE_BODY_BYTES_MAX: u64 = 1 << 30;
/// Files sent along with one run.
pub const FILES_MAX: usize = 1_000;
/// Inputs that one program is run against in one request.
pub const INPUTS_MAX: usize = 1_000;
/// Arguments of a program.
pub const ARGS_MAX: usize = 1_000;
/// One argument or one word of a command line, bytes.
pub const ARG_BYTES_MAX: usize = 128 << 10;
/// A shell command of a step or a start-up command, bytes.
pub const COMMAND_BYTES_MAX: usize = 64 << 10;
/// Environment variables of a session.
pub const ENV_MAX: usize = 256;
/// Name of an environment variable, bytes.
pub const ENV_NAME_BYTES_MAX: usize = 256;
/// Value of an environment variable, bytes.
pub const ENV_VALUE_BYTES_MAX: usize = 32 << 10;
/// Tags of a session.
pub const TAGS_MAX: usize = 64;
/// Key or value of a tag, characters.
pub const TAG_CHARS_MAX: usize = 256;
/// Kinds of accelerators of a session.
pub const ACCELERATOR_KINDS_MAX: usize = 8;
/// Name of a session, characters.
pub const NAME_CHARS_MAX: usize = 64;
/// A path inside a sandbox, bytes.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Name of an image or a language, characters.
pub const IMAGE_CHARS_MAX: usize = 256;
/// Items of one page of a list.
pub const PAGE_LIMIT_MAX: u32 = 1_000;
/// Items of one page where nothing is asked.
pub const PAGE_LIMIT_DEFAULT: u32 = 100;
/// An idempotency key, characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Why the service's state was changed, characters.
pub const REASON_CHARS_MAX: usize = 400;
/// Announcements that hold or will.
pub const ANNOUNCEMENTS_MAX: usize = 100;
/// One text of an announcement, characters.
pub const ANNOUNCEMENT_CHARS_MAX: usize = 4_000;
/// Languages of an announcement.
pub const LANGUAGES_MAX: usize = 20;
/// A language tag, characters.
pub const LANGUAGE_TAG_CHARS_MAX: usize = 35;
/// One message of a WebSocket, bytes.
pub const SOCKET_MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Language servers of one session that are in use.
pub const LANGUAGE_SERVICES_MAX: usize = 8;
/// What is told of a language server's standard error, bytes.
pub const LANGUAGE_SERVICE_STDERR_BYTES_MAX: usize = 1_024;
/// Shortest password, characters.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password, bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Access keys of one user.
pub const ACCESS_KEYS_MAX: usize = 100;
/// SSH keys of one user.
pub const SSH_KEYS_MAX: usize = 100;
/// Longest public key, with its comment.
pub const SSH_KEY_BYTES_MAX: usize = 1_024;
/// Longest life of an access key that has an end, days.
pub const ACCESS_KEY_DAYS_MAX: u32 = 3_650;
/// Lifetime of a token, milliseconds.
pub const TOKEN_MS_MAX: u64 = 366 * 86_400_000;
/// Lifetime of a token where nothing is asked, milliseconds.
pub const TOKEN_MS_DEFAULT: u64 = 90 * 86_400_000;
/// Tokens of one user.
pub const TOKENS_MAX: usize = 100;
/// An e-mail address, characters.
pub const EMAIL_CHARS_MAX: usize = 254;
/// Arguments that a request adds to the command line of an app.
pub const APP_ARGUMENTS_MAX: usize = 64;
/// Arguments and environment of an app together.
pub const APP_WORDS_BYTES_MAX: usize = 48 << 10;
/// Folders that one session mounts.
pub const MOUNTS_MAX: usize = 32;
/// Where a folder is mounted, or what a ticket opens, bytes.
pub const FOLDER_PATH_BYTES_MAX: usize = 1_024;
/// Shares of one folder.
pub const FOLDER_SHARES_MAX: usize = 256;
/// Lifetime of a ticket to a folder, milliseconds.
pub const FOLDER_TICKET_MS_MAX: u64 = 86_400_000;
/// Lifetime of a ticket to a folder where nothing is asked, milliseconds.
pub const FOLDER_TICKET_MS_DEFAULT: u64 = 3_600_000;
/// Lifetime of an invitation, milliseconds.
pub const INVITATION_MS_MAX: u64 = 366 * 86_400_000;
/// Lifetime of an invitation where nothing is asked, milliseconds.
pub const INVITATION_MS_DEFAULT: u64 = 14 * 86_400_000;
/// Invitations of one list.
pub const INVITATIONS_MAX: u64 = 1_000;

/// Longest life of a link to a run, milliseconds.
pub const RUN_SHARE_MS_MAX: u64 = 90 * 86_400_000;
/// Life of a link to a run where nothing is asked, milliseconds.
pub const RUN_SHARE_MS_DEFAULT: u64 = 7 * 86_400_000;
/// Links to one run that are good at once.
pub const RUN_SHARES_MAX: usize = 16;

/// Files that one detail names.
pub const TOLD_MAX: usize = 10;
