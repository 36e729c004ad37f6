//! What a file was built for: the format of its system, and its processor.

use object::{Architecture, BinaryFormat, Endianness, File, Object};

/// A system and a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) format: BinaryFormat,
    pub(super) architecture: Architecture,
    pub(super) endianness: Endianness,
}

impl Target {
    /// One target of each system, for the fuzzer.
    pub(super) const EACH: [Self; 3] = {
        let linux = Self {
            format: BinaryFormat::Elf,
            architecture: Architecture::X86_64,
            endianness: Endianness::Little,
        };
        let mac =
            Self { format: BinaryFormat::MachO, architecture: Architecture::Aarch64, ..linux };
        [linux, mac, Self { format: BinaryFormat::Pe, ..linux }]
    };

    /// The system and processor of this process.
    pub(super) fn host() -> Self {
        let format = if cfg!(target_vendor = "apple") {
            BinaryFormat::MachO
        } else if cfg!(windows) {
            BinaryFormat::Pe
        } else {
            BinaryFormat::Elf
        };
        let wide = cfg!(target_pointer_width = "64");
        let architecture = match std::env::consts::ARCH {
            "x86_64" if wide => Architecture::X86_64,
            "x86_64" => Architecture::X86_64_X32,
            "x86" => Architecture::I386,
            "aarch64" => Architecture::Aarch64,
            "arm" => Architecture::Arm,
            "riscv64" => Architecture::Riscv64,
            "riscv32" => Architecture::Riscv32,
            "powerpc64" => Architecture::PowerPc64,
            "powerpc" => Architecture::PowerPc,
            "loongarch64" => Architecture::LoongArch64,
            "s390x" => Architecture::S390x,
            _ => Architecture::Unknown,
        };
        let big = cfg!(target_endian = "big");
        let endianness = if big { Endianness::Big } else { Endianness::Little };
        Self { format, architecture, endianness }
    }

    /// What `file` was built for.
    pub(super) fn of(file: &File<'_>) -> Self {
        Self {
            format: file.format(),
            architecture: file.architecture(),
            endianness: file.endianness(),
        }
    }

    /// Whether a library for this target runs on `host`. If the host's processor is not in the list
    /// of [`Target::host`], the system's loader decides.
    pub(super) fn fits(self, host: Self) -> bool {
        let known = host.architecture != Architecture::Unknown;
        self.endianness == host.endianness && (self.architecture == host.architecture || !known)
    }

    /// The name of the format, with a system that uses it.
    pub(super) fn system(self) -> &'static str {
        match self.format {
            BinaryFormat::Elf => "ELF (Linux)",
            BinaryFormat::MachO => "Mach-O (macOS)",
            BinaryFormat::Pe => "PE (Windows)",
            BinaryFormat::Coff => "COFF (Windows)",
            _ => "another format",
        }
    }

    /// The name of the processor.
    pub(super) fn name(self) -> String {
        let name = name(self.architecture);
        match self.endianness {
            Endianness::Little => name,
            Endianness::Big => format!("{name} (big-endian)"),
        }
    }
}

/// The usual name of a processor.
pub(super) fn name(architecture: Architecture) -> String {
    match architecture {
        Architecture::Unknown => "an unknown processor".to_owned(),
        Architecture::X86_64 => "x86-64".to_owned(),
        Architecture::X86_64_X32 => "x86-64 (x32)".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
