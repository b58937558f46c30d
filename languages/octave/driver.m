1;  # Octave's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).

function __madang_send__ (verb, payload, varargin)
  persistent events = fopen ("/dev/fd/4", "w");
  header = strjoin ([{verb, sprintf("%d", numel (payload))}, varargin], " ");
  fwrite (events, [uint8(header), uint8(10), uint8(payload)]);
  fflush (events);
endfunction

function bytes = __madang_read__ (length)
  persistent requests = fopen ("/dev/fd/3", "r");
  bytes = uint8 ([]);
  while (numel (bytes) < length)
    more = fread (requests, [1, length - numel(bytes)], "uint8=>uint8");
    if (isempty (more))
      exit (0);
    endif
    bytes = [bytes, more];
  endwhile
endfunction

function words = __madang_header__ ()
  bytes = uint8 ([]);
  while (true)
    byte = __madang_read__ (1);
    if (byte == 10)
      break;
    endif
    bytes(end+1) = byte;
    if (numel (bytes) > 4096)
      exit (70);
    endif
  endwhile
  words = strsplit (char (bytes), " ");
endfunction

function __madang_environment__ (payload)
  for entry = strsplit (char (payload), "\0")
    at = index (entry{1}, "=");
    if (at > 1)
      setenv (entry{1}(1:at-1), entry{1}(at+1:end));
    endif
  endfor
endfunction

function status = __madang_run__ (code)
  status = "ok";
  try
    evalin ("base", code);
  catch problem
    status = "error";
    fflush (stdout);
    fprintf (stderr, "error: %s\n", problem.message);
  end_try_catch
endfunction

# Octave unwinds everything on an interrupt and would end with its script; the cleanup block is the one place that is
# still reached, so the next requests are served from there.
function __madang_exec__ (code)
  status = "interrupted";
  unwind_protect
    status = __madang_run__ (code);
  unwind_protect_cleanup
    fflush (stdout);
    fflush (stderr);
    __madang_send__ ("done", "", status);
    if (strcmp (status, "interrupted"))
      __madang_serve__ ();
    endif
  end_unwind_protect
endfunction

function __madang_serve__ ()
  while (true)
    header = __madang_header__ ();
    payload = __madang_read__ (str2double (header{2}));
    switch (header{1})
      case "env"
        __madang_environment__ (payload);
      case "exec"
        __madang_exec__ (char (payload));
    endswitch
  endwhile
endfunction

# `input`, whose prompt is shown by whoever reads the event.
function value = input (prompt, kind)
  persistent lines = fopen ("/dev/fd/0", "r");
  fflush (stdout);
  __madang_send__ ("input", prompt, "echo");
  # Not `fgetl`: it waits for a character after the line.
  value = "";
  while (! isempty (byte = fread (lines, 1, "uint8=>uint8")) && byte != 10)
    value(end+1) = char (byte);
  endwhile
  if (nargin < 2)
    value = evalin ("caller", value);
  endif
endfunction

page_screen_output (false);
__madang_send__ ("ready", "");
__madang_serve__ ();
