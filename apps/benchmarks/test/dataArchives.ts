import { crc32, gzipSync } from 'node:zlib';
import { Header } from 'tar';

/** An entry to put into a test archive, honest or not. */
export interface ArchiveEntry {
  readonly path: string;
  readonly content?: Uint8Array;
  /** Tar type, such as `SymbolicLink`; a file if left out. */
  readonly type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO';
  /** Where a link points. */
  readonly linkpath?: string;
  /** Unix mode with the file type, for zip archives; a regular file if left out. */
  readonly mode?: number;
}

const nothing = new Uint8Array();

/** Packs entries as they are, without the checks of an honest packer. */
export function packTarGz(entries: readonly ArchiveEntry[]): Uint8Array {
  return gzipSync(Buffer.concat([...entries.map(packTarEntry), Buffer.alloc(1024)]));
}

function packTarEntry({ path, content = nothing, type = 'File', linkpath }: ArchiveEntry): Uint8Array {
  const head = Buffer.alloc(512);
  const link = linkpath === undefined ? {} : { linkpath };
  new Header({ path, type, size: content.length, mode: 0o644, mtime: new Date(0), ...link }).encode(head);
  return Buffer.concat([head, content, Buffer.alloc(-content.length & 511)]);
}

/** Packs entries uncompressed into a zip archive, whatever their names are. */
export function packZip(entries: readonly ArchiveEntry[]): Uint8Array {
  const locals: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const entry of entries) {
    const local = packZipEntry(entry);
    directory.push(packZipRecord(entry, offset));
    locals.push(local);
    offset += local.length;
  }
  const records = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(records.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, records, end]);
}

function packZipEntry({ path, content = nothing }: ArchiveEntry): Uint8Array {
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  writeZipSizes(head, 14, path, content);
  return Buffer.concat([head, Buffer.from(path), content]);
}

function packZipRecord(
  { path, content = nothing, mode = 0o100644 }: ArchiveEntry,
  offset: number,
): Uint8Array {
  const record = Buffer.alloc(46);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(0x0300, 4);
  writeZipSizes(record, 16, path, content);
  record.writeUInt32LE((mode << 16) >>> 0, 38);
  record.writeUInt32LE(offset, 42);
  return Buffer.concat([record, Buffer.from(path)]);
}

function writeZipSizes(head: Buffer, start: number, path: string, content: Uint8Array): void {
  head.writeUInt32LE(crc32(content), start);
  head.writeUInt32LE(content.length, start + 4);
  head.writeUInt32LE(content.length, start + 8);
  head.writeUInt16LE(Buffer.byteLength(path), start + 12);
}
