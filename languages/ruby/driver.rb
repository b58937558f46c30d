# Ruby's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
# It requires nothing, so that an idle one is no larger than a bare interpreter.
module MadangDriver
  HEADER_BYTES_MAX = 4096
  CANDIDATES_MAX = 500
  FIONREAD = 0x541B
  # How long one stream waits for the reader to take what the other has written; past that somebody else keeps writing.
  ORDER_WAIT_S_MAX = 0.05
  HERE = File.dirname(__FILE__)

  @requests = IO.for_fd(3, "rb")
  @events = IO.for_fd(4, "wb")
  [@requests, @events].each { |io| io.close_on_exec = true }
  @events.sync = true
  @count = 0
  @process = Process.pid

  class << self
    def send_event(verb, payload = "", *arguments)
      bytes = payload.dup.force_encoding(Encoding::BINARY)
      @events.write([verb, bytes.bytesize, *arguments].join(" ").b + "\n".b + bytes)
    end

    # The script to run, once one is asked for.
    def serve
      send_event("ready")
      while (header = @requests.gets("\n", HEADER_BYTES_MAX))
        verb, length, *arguments = header.split(" ")
        payload = @requests.read(length.to_i)
        case verb
        when "env" then set_environment(payload)
        when "exec" then exec_query(payload.force_encoding(Encoding::UTF_8))
        when "complete" then complete(payload, arguments[0].to_i)
        when "script" then return payload.force_encoding(Encoding::UTF_8).split("\0", -1)
        end
      end
      nil
    end

    def set_environment(payload)
      payload.force_encoding(Encoding::UTF_8).split("\0").each do |entry|
        key, equals, value = entry.partition("=")
        ENV[key] = value unless equals.empty? || key.empty?
      end
    end

    def open_console
      $stdout.sync = $stderr.sync = true
      keep_order($stdout, $stderr)
      keep_order($stderr, $stdout)
      def $stdin.gets(...) = MadangDriver.asking { super }
      def $stdin.readline(...) = MadangDriver.asking { super }
      Kernel.module_eval do
        def gets(...) = $stdin.gets(...)
        def readline(...) = $stdin.readline(...)
        private :gets, :readline
      end
    end

    def keep_order(stream, other)
      stream.define_singleton_method(:write) do |*parts|
        MadangDriver.wait_until_read(other)
        super(*parts)
      end
    end

    def unread(stream)
      count = [0].pack("i")
      stream.ioctl(FIONREAD, count)
      count.unpack1("i")
    rescue SystemCallError, IOError
      0
    end

    def wait_until_read(stream)
      return if unread(stream).zero?
      stop = Process.clock_gettime(Process::CLOCK_MONOTONIC) + ORDER_WAIT_S_MAX
      sleep(0.0002) while unread(stream).positive? && Process.clock_gettime(Process::CLOCK_MONOTONIC) < stop
    end

    def asking
      send_event("input", "", "echo")
      yield
    end

    def exec_query(code)
      open_console if @count.zero?
      @count += 1
      status = evaluate(code)
      exit!(0) if Process.pid != @process # a child that the program forked and let run on
      send_event("done", "", status)
    end

    def evaluate(code)
      trap("INT", "DEFAULT")
      value = TOPLEVEL_BINDING.eval(code, "(query #{@count})", 1)
      TOPLEVEL_BINDING.local_variable_set(:_, value)
      # irb would show nil too; after every `puts` that is only noise.
      $stdout.puts("=> #{value.inspect}") unless value.nil?
      "ok"
    rescue SystemExit
      raise
    rescue Interrupt => error
      report(error)
      "interrupted"
    rescue Exception => error
      report(error)
      "error"
    ensure
      trap("INT") {} # between two requests an interrupt is for nobody
    end

    def report(error)
      without_driver(error)
      # A syntax error says where it is itself; there is no trace to it.
      $stderr.puts(error.is_a?(SyntaxError) ? error.message : error.full_message(highlight: false, order: :top))
    end

    # The same error without this file's frames, its causes likewise.
    def without_driver(error)
      while error
        trace = error.backtrace
        # A compiled file calls its top level <compiled>; ruby itself calls it <main>.
        kept = trace&.reject { |line| line.start_with?(HERE) }&.map { |line| line.sub("`<compiled>'", "`<main>'") }
        error.set_backtrace(kept) if kept
        error = error.cause
      end
    end

    def complete(code, cursor)
      before = code.byteslice(0, cursor).force_encoding(Encoding::UTF_8).scrub
      word = before[/[\w@$:.?!]*\z/]
      receiver, dot, tail = word.rpartition(".")
      names = dot.empty? ? plain_names : methods_of(receiver).map { |name| "#{receiver}.#{name}" }
      prefix = dot.empty? ? word : "#{receiver}.#{tail}"
      found = names.map(&:to_s).select { |name| name.start_with?(prefix) }.uniq.sort.first(CANDIDATES_MAX)
      send_event("completions", found.join("\n"), before.bytesize - word.bytesize)
    end

    def plain_names
      TOPLEVEL_BINDING.local_variables + global_variables + Object.constants +
        TOPLEVEL_BINDING.receiver.methods + TOPLEVEL_BINDING.receiver.private_methods
    end

    # Only names are looked up, nothing is called: a keystroke must not run code.
    def methods_of(receiver)
      if TOPLEVEL_BINDING.local_variable_defined?(receiver)
        TOPLEVEL_BINDING.local_variable_get(receiver).methods
      elsif receiver.match?(/\A[A-Z]\w*\z/) && Object.const_defined?(receiver)
        Object.const_get(receiver).methods
      else
        []
      end
    rescue NameError
      []
    end

    # Everything as `ruby path argument…` has it when the first line runs.
    def open_script(path, *arguments)
      [@requests, @events].each(&:close)
      trap("INT", "DEFAULT")
      ARGV.replace(arguments)
      $0 = path
      $stdout.sync = true
      source = File.binread(path).force_encoding(Encoding::UTF_8)
      open_data(path, source)
      RubyVM::InstructionSequence.compile(source, path, File.realpath(path), 1)
    rescue SystemCallError => error
      warn("ruby: #{error.message.sub(/ @ .*/, "")} -- #{path} (LoadError)")
      exit(1)
    end

    def open_data(path, source)
      mark = source.b.match(/^__END__\r?\n/) or return
      data = File.open(path)
      data.seek(mark.end(0))
      Object.const_set(:DATA, data)
    end
  end

  trap("INT") {}
end

if (script = MadangDriver.serve)
  begin
    program = MadangDriver.open_script(*script)
  rescue SyntaxError => error
    $stderr.puts(error.message)
    exit(1)
  end
  begin
    program.eval
  rescue Exception => error
    MadangDriver.without_driver(error) unless error.is_a?(SystemExit)
    raise
  end
end
