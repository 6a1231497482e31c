//! What the machine is.

use std::fs;
use std::process::Command;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::peers::Tools;
use crate::record::Machine;

/// Looks around; what cannot be told is left empty.
pub(super) fn describe(tools: &Tools) -> Machine {
    let version = |program: &str| said(Command::new(program).arg("--version"));
    Machine {
        processor: processor(&read("/proc/cpuinfo")),
        cores: std::thread::available_parallelism().map_or(1, Into::into),
        memory_mib: memory_mib(&read("/proc/meminfo")),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        node: said(Command::new(&tools.node).arg("--version")),
        rust: version("rustc"),
        date: date(),
    }
}

fn processor(cpuinfo: &str) -> String {
    let value = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    value("model name")
        .or_else(|| value("CPU part"))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn memory_mib(meminfo: &str) -> u64 {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    number.unwrap_or_default() / 1_024
}

fn date() -> String {
    let format = format_description!("[year]-[month]-[day]");
    OffsetDateTime::now_utc()
        .format(&format)
        .unwrap_or_default()
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout);
    let text = output.unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_processor_and_memory() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 2\nmodel name\t: Some CPU @ 3 GHz\n";
        assert_eq!(processor(cpuinfo), "Some CPU @ 3 GHz");
        assert_eq!(processor(""), "unknown");
        assert_eq!(memory_mib("MemFree: 1 kB\nMemTotal:       24576 kB\n"), 24);
    }
}
