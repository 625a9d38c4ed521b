package uninote

import java.lang.{Boolean => JavaBoolean}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.FileAlreadyExistsException
import java.util.{Arrays, Iterator => JavaIterator}

import scala.util.control.NonFatal

import io.delta.storage.HadoopFileSystemLogStore
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, Path}

/** Delta's log in S3, where each version is written once, whoever writes.
  *
  * Delta's own store for S3, S3SingleDriverLogStore, looks whether a version is there, and then overwrites it: two drivers
  * that commit at once both succeed, and the rows of one are lost. Here the request itself says that it must not replace
  * anything (If-None-Match), as Delta's Rust library does too, so both may write one table.
  */
class ConditionalLogStore(conf: Configuration) extends HadoopFileSystemLogStore(conf) {

  override def write(
      path: Path,
      actions: JavaIterator[String],
      overwrite: JavaBoolean,
      hadoopConf: Configuration): Unit = {
    val text = new StringBuilder
    while (actions.hasNext) text.append(actions.next()).append('\n')
    val bytes = text.toString.getBytes(UTF_8)
    val fs = path.getFileSystem(hadoopConf)
    try put(fs, path, bytes, overwrite)
    catch {
      // The store may have taken the file while its answer was lost: tried again, it refuses the writer's own file.
      // A commit has an id of its own in it, so equal bytes are the same commit.
      case NonFatal(refused) if !overwrite && fs.exists(path) =>
        if (!Arrays.equals(read(fs, path), bytes)) {
          val taken = new FileAlreadyExistsException(path.toString)
          taken.initCause(refused)
          throw taken
        }
    }
  }

  /** A file in S3 appears when its last byte has arrived. */
  override def isPartialWriteVisible(path: Path, hadoopConf: Configuration): JavaBoolean = false

  private def put(fs: FileSystem, path: Path, bytes: Array[Byte], overwrite: Boolean): Unit = {
    val builder = fs.createFile(path).overwrite(overwrite).recursive()
    // `must`: a file system that does not know the option fails, instead of overwriting.
    if (!overwrite) builder.must("fs.option.create.conditional.overwrite", true)
    val stream = builder.build()
    stream.write(bytes)
    stream.close()
  }

  private def read(fs: FileSystem, path: Path): Array[Byte] = {
    val stream = fs.open(path)
    try stream.readAllBytes()
    finally stream.close()
  }
}
