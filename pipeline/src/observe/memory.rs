//! What memory the process has, as the kernel tells.

use std::io;

/// Memory of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In RAM now.
    pub resident_bytes: u64,
    /// The most there ever was.
    pub peak_resident_bytes: u64,
}

impl Memory {
    /// Reads `/proc/self/status`.
    ///
    /// # Errors
    /// If the file cannot be read or lacks the two lines.
    pub fn read() -> io::Result<Self> {
        Self::parse(&fs_err::read_to_string("/proc/self/status")?)
            .ok_or_else(|| io::Error::other("/proc/self/status has no VmRSS or VmHWM"))
    }

    fn parse(status: &str) -> Option<Self> {
        let bytes_of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            kib.checked_mul(1024)
        };
        Some(Self {
            resident_bytes: bytes_of("VmRSS:")?,
            peak_resident_bytes: bytes_of("VmHWM:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_own_lines_are_read() {
        let status = "Name:\tsightline\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n";
        let memory = Memory::parse(status).unwrap();
        assert_eq!(
            (memory.resident_bytes, memory.peak_resident_bytes),
            (104_857_600, 209_715_200)
        );
        assert_eq!(Memory::parse("VmHWM: 1 kB\n"), None);
    }

    #[test]
    fn this_process_has_memory_and_its_peak_is_no_less() {
        let ballast = std::hint::black_box(vec![1_u8; 8 << 20]);
        let memory = Memory::read().unwrap();
        assert!(memory.resident_bytes > ballast.len() as u64);
        assert!(memory.peak_resident_bytes > ballast.len() as u64);
    }
}
