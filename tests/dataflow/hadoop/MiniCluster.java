import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** A name node and a data node in the given folder. Prints the port of WebHDFS, ends with its input. */
public class MiniCluster {
  public static void main(String[] arguments) throws Exception {
    MiniDFSCluster cluster =
        new MiniDFSCluster.Builder(new Configuration(), new File(arguments[0])).numDataNodes(1).build();
    cluster.waitActive();
    System.out.println("port " + cluster.getNameNode().getHttpAddress().getPort());
    while (System.in.read() >= 0) {}
    cluster.shutdown(true);
  }
}
