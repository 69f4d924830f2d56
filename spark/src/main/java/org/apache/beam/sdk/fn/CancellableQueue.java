package org.apache.beam.sdk.fn;

import java.util.ArrayDeque;
import java.util.Objects;

/**
 * Stands in for Beam's class of this name, which holds 100 messages and then makes the sender wait.
 *
 * <p>It is what a task's output goes through on its way from Python. Beam's runners (SdkHarnessClient,
 * ActiveBundle.close) take nothing out of it until Python has said that the bundle is done, which
 * Python cannot say while its output waits to be taken: with 100 messages of 10 MB both wait for
 * ever. This queue has no limit. A task's output is held in memory anyway, as soon as it is taken
 * out, and where memory does not suffice Java ends. (Beam's workers in Java would use the class as
 * well, and want the limit: there are none here.)
 */
public class CancellableQueue<T extends Object> {
  private final ArrayDeque<T> elements = new ArrayDeque<>();
  private Exception cancellation;

  public CancellableQueue(int ignoredCapacity) {}

  /** Adds an element. Throws the exception with which the queue was cancelled, if it was. */
  public synchronized void put(T element) throws Exception, InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    if (cancellation != null) {
      throw cancellation;
    }
    elements.addLast(element);
    notify();
  }

  /** Waits for the first element and removes it. Throws what the queue was cancelled with. */
  public synchronized T take() throws Exception, InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    while (elements.isEmpty() && cancellation == null) {
      wait();
    }
    if (cancellation != null) {
      throw cancellation;
    }
    return elements.removeFirst();
  }

  /** Drops all elements, and has all who put and take fail; the first exception counts. */
  public synchronized void cancel(Exception exception) {
    Objects.requireNonNull(exception);
    if (cancellation == null) {
      cancellation = exception;
      elements.clear();
      notifyAll();
    }
  }

  /** Empties the queue and makes it usable again. */
  public synchronized void reset() {
    cancellation = null;
    elements.clear();
  }
}
