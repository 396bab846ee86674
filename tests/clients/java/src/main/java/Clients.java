import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.ErrorStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.FaultEvent;
import com.launchdarkly.eventsource.HttpConnectStrategy;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.StreamEvent;
import com.launchdarkly.eventsource.StreamHttpErrorException;
import java.net.URI;
import java.util.Map;

/** LaunchDarkly's okhttp-eventsource as a process: `NAME HUB GENERATION` listens. */
public class Clients {
  private static final Gson GSON = new Gson();

  public static void main(String[] arguments) {
    URI address = URI.create(arguments[1] + "/generations/" + arguments[2] + "/events");
    HttpConnectStrategy connect = ConnectStrategy.http(address);
    String token = System.getenv("HUB_TOKEN"); // where the hub has keys
    if (token != null) {
      connect = connect.header("Authorization", "Bearer " + token);
    }
    EventSource.Builder builder =
        new EventSource.Builder(connect)
            .errorStrategy(ErrorStrategy.alwaysContinue());
    try (EventSource events = builder.build()) {
      for (StreamEvent event : events.anyEvents()) {
        String end = take(event);
        if (end != null) {
          say(Map.of("end", end));
          return;
        }
      }
    }
  }

  /** How the end was known; null while it is not there. An answer of 204 is an error to it. */
  private static String take(StreamEvent event) {
    if (event instanceof FaultEvent fault
        && fault.getCause() instanceof StreamHttpErrorException refused) {
      return String.valueOf(refused.getCode());
    }
    if (!(event instanceof MessageEvent message)) {
      return null;
    }
    JsonObject told = GSON.fromJson(message.getData(), JsonObject.class);
    switch (message.getEventName()) {
      case "snapshot" ->
          say(
              Map.of(
                  "whole",
                  told.getAsJsonArray("choices").get(0).getAsJsonObject().get("content")
                      .getAsString()));
      case "delta" -> say(Map.of("text", told.get("content").getAsString()));
      case "completed" -> {
        return "completed";
      }
      default -> {}
    }
    return null;
  }

  private static void say(Map<String, String> told) {
    System.out.println(GSON.toJson(told));
    System.out.flush();
  }
}
