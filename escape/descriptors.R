# What is left open by the driver that became this program.
strange <- c()
for (name in list.files("/proc/self/fd")) {
  target <- suppressWarnings(Sys.readlink(file.path("/proc/self/fd", name)))
  if (is.na(target) || target == "") next
  if (!grepl("^(pipe:|anon_inode:|/dev/null|/dev/urandom|/proc/|/memfd:|/home/work/|/tmp/)", target) && !startsWith(target, "/usr/")) strange <- c(strange, paste(name, "is", target))
}
cat(if (length(strange)) paste("ESCAPED:", paste(strange, collapse = "; ")) else "HELD: nothing strange is open", "\n", sep = "")
