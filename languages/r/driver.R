# R's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
# Everything of it lives in an environment of its own below the global one, which belongs to the queries.
local({
  requests <- file("/dev/fd/3", "rb", raw = TRUE)
  events <- file("/dev/fd/4", "wb", raw = TRUE)
  input <- NULL
  count <- 0L
  header_bytes_max <- 4096L
  pictures <- NULL

  send <- function(verb, payload = raw(0), ...) {
    if (is.character(payload)) payload <- charToRaw(enc2utf8(payload))
    header <- paste(c(verb, length(payload), ...), collapse = " ")
    writeBin(c(charToRaw(paste0(header, "\n")), payload), events)
    flush(events)
  }

  read_bytes <- function(length) {
    bytes <- raw(0)
    while (length(bytes) < length) {
      more <- readBin(requests, "raw", length - length(bytes))
      if (!length(more)) quit("no", 0L, FALSE)
      bytes <- c(bytes, more)
    }
    bytes
  }

  read_header <- function() {
    bytes <- raw(0)
    repeat {
      byte <- read_bytes(1L)
      if (byte == as.raw(10L)) return(strsplit(rawToChar(bytes), " ", fixed = TRUE)[[1L]])
      bytes <- c(bytes, byte)
      if (length(bytes) > header_bytes_max) quit("no", 70L, FALSE)
    }
  }

  set_environment <- function(payload) {
    payload[payload == as.raw(0L)] <- as.raw(1L)
    for (entry in strsplit(rawToChar(payload), "\001", fixed = TRUE)[[1L]]) {
      at <- regexpr("=", entry, fixed = TRUE)
      if (at > 1L) do.call(Sys.setenv, stats::setNames(list(substring(entry, at + 1L)), substring(entry, 1L, at - 1L)))
    }
  }

  # A line from the session's input; the prompt is shown by whoever reads the event.
  ask <- function(prompt = "") {
    flush(stdout())
    send("input", as.character(prompt), "echo")
    if (is.null(input)) input <<- file("stdin", "r")
    line <- base::readLines(input, 1L)
    if (length(line)) line else ""
  }

  open_console <- function() {
    pictures <<- tempfile("plots")
    dir.create(pictures)
    options(warn = 1L, bitmapType = "cairo", device = function(...) {
      grDevices::png(file.path(pictures, "%03d.png"), width = 640, height = 480)
    })
    tools <- new.env()
    tools$readline <- ask
    attach(tools, name = "madang", warn.conflicts = FALSE)
  }

  show_plots <- function() {
    if (is.null(grDevices::dev.list())) return(invisible())
    grDevices::graphics.off()
    for (path in sort(list.files(pictures, full.names = TRUE))) {
      flush(stdout())
      send("media", readBin(path, "raw", file.size(path)), "image/png")
      unlink(path)
    }
  }

  report <- function(condition) {
    call <- conditionCall(condition)
    ours <- is.null(call) || identical(call[[1L]], quote(eval)) || identical(call[[1L]], quote(parse))
    where <- if (ours) "Error: " else paste0("Error in ", deparse(call, nlines = 1L)[1L], " : ")
    cat(where, conditionMessage(condition), "\n", sep = "", file = stderr())
  }

  run <- function(code) {
    expressions <- parse(text = code, keep.source = TRUE, encoding = "UTF-8")
    for (expression in expressions) {
      result <- withVisible(eval(expression, globalenv()))
      if (result$visible) {
        if (isS4(result$value)) methods::show(result$value) else print(result$value)
      }
    }
  }

  exec <- function(code) {
    if (count == 0L) open_console()
    count <<- count + 1L
    status <- tryCatch({
      run(code)
      show_plots()
      "ok"
    }, error = function(condition) {
      flush(stdout())
      report(condition)
      "error"
    }, interrupt = function(condition) {
      flush(stdout())
      cat("Interrupted\n", file = stderr())
      "interrupted"
    })
    flush(stdout())
    flush(stderr())
    send("done", raw(0), status)
  }

  serve <- function() {
    repeat {
      header <- read_header()
      payload <- read_bytes(as.integer(header[2L]))
      if (header[1L] == "env") {
        set_environment(payload)
      } else if (header[1L] == "exec") {
        code <- rawToChar(payload)
        Encoding(code) <- "UTF-8"
        exec(code)
      }
    }
  }

  send("ready")
  # Between two requests an interrupt is for nobody.
  repeat tryCatch(serve(), interrupt = function(condition) NULL)
}, envir = new.env(parent = baseenv()))
