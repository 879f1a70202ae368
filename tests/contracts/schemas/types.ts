// What of the platforms' own types the tests check: one interface a schema file, whose members are
// the definitions that the tests ask for. Add a method or an event here, then run make.mjs.

import type { ApiMethods, Update } from "@grammyjs/types";
import type {
  BlockAction,
  BlockElementAction,
  EnvelopedEvent,
  MessageShortcut,
  SlashCommand,
  ViewClosedAction,
  ViewResponseAction,
  ViewSubmitAction,
} from "@slack/bolt";
import type {
  AppHomeOpenedEvent,
  AppMentionEvent,
  BotMessageEvent,
  FileShareMessageEvent,
  GenericMessageEvent,
  MeMessageEvent,
  MemberJoinedChannelEvent,
  MessageChangedEvent,
  MessageDeletedEvent,
  ReactionAddedEvent,
  ThreadBroadcastMessageEvent,
} from "@slack/types";
import type {
  ChatPostEphemeralArguments,
  ChatPostMessageArguments,
  ChatUpdateArguments,
  ConversationsInfoArguments,
  ConversationsOpenArguments,
  FilesCompleteUploadExternalArguments,
  FilesGetUploadURLExternalArguments,
  UsersInfoArguments,
  ViewsOpenArguments,
  ViewsPublishArguments,
  ViewsUpdateArguments,
} from "@slack/web-api";
import type { ActionButtons, ActionList, Audio, Body, Document, Image, Reaction, Text, Video } from "whatsapp-api-js/messages";
import type { ClientMessageRequest, PostData, ServerContacts, ServerError, ServerMessage, ServerStatusPayload } from "whatsapp-api-js/types";

// A file to upload: bytes in a form field, or `attach://` with the field's name.
type Args<Method extends keyof ApiMethods<string>> = NonNullable<Parameters<ApiMethods<string>[Method]>[0]>;

export interface telegram {
  update: Update;
  getUpdates: Args<"getUpdates">;
  setWebhook: Args<"setWebhook">;
  deleteWebhook: Args<"deleteWebhook">;
  sendMessage: Args<"sendMessage">;
  sendPhoto: Args<"sendPhoto">;
  sendDocument: Args<"sendDocument">;
  sendMediaGroup: Args<"sendMediaGroup">;
  sendChatAction: Args<"sendChatAction">;
  answerCallbackQuery: Args<"answerCallbackQuery">;
  editMessageText: Args<"editMessageText">;
  editMessageReplyMarkup: Args<"editMessageReplyMarkup">;
  editMessageCaption: Args<"editMessageCaption">;
  setMyCommands: Args<"setMyCommands">;
  deleteMyCommands: Args<"deleteMyCommands">;
  getMyCommands: Args<"getMyCommands">;
  createForumTopic: Args<"createForumTopic">;
  editForumTopic: Args<"editForumTopic">;
  closeForumTopic: Args<"closeForumTopic">;
  reopenForumTopic: Args<"reopenForumTopic">;
  getChat: Args<"getChat">;
  getChatMember: Args<"getChatMember">;
  getFile: Args<"getFile">;
  getMe: Record<string, never>;
  getWebhookInfo: Record<string, never>;
}

// A type without "and anything else", so that a misspelt field is found.
type Closed<T> = { [Key in keyof T as string extends Key ? never : Key]: T[Key] };
// Without one workspace over it, Slack sends null where its types have no field.
type Nullable<T, Key extends keyof T> = Omit<T, Key> & { [Name in Key]?: T[Name] | null };

// What Slack's documentation shows in messages and its types leave out: those of apps, of files, of other workspaces.
interface Sender {
  app_id?: string;
  client_msg_id?: string;
  source_team?: string;
  team?: string;
  user_team?: string;
}
type Said = (GenericMessageEvent & Sender) | (FileShareMessageEvent & Sender) | BotMessageEvent | MeMessageEvent | ThreadBroadcastMessageEvent;
// Inside a change Slack names neither the channel nor the event once more.
type Once<T> = T extends unknown
  ? Omit<T, "channel" | "channel_type" | "event_ts"> & Partial<Pick<T & GenericMessageEvent, "channel" | "channel_type" | "event_ts">>
  : never;
type Change =
  | (Omit<MessageChangedEvent, "message" | "previous_message"> & { message: Once<Said>; previous_message: Once<Said> })
  | (Omit<MessageDeletedEvent, "previous_message"> & { previous_message: Once<Said> });
type SlackEvent = Said | Change | AppMentionEvent | AppHomeOpenedEvent | MemberJoinedChannelEvent | ReactionAddedEvent;

export interface slack {
  event_callback: Nullable<Closed<EnvelopedEvent<SlackEvent>>, "context_enterprise_id" | "enterprise_id"> & {
    event_context?: string;
  };
  // A press in a modal or on the home page has no response_url.
  block_actions: Nullable<BlockAction<BlockElementAction>, "enterprise" | "response_url">;
  message_action: Nullable<MessageShortcut, "enterprise">;
  view_submission: Nullable<ViewSubmitAction, "enterprise">;
  view_closed: Nullable<ViewClosedAction, "enterprise">;
  slash_command: Closed<SlashCommand>;
  view_response: ViewResponseAction;
  "auth.test": Record<string, never>;
  "chat.postMessage": ChatPostMessageArguments;
  "chat.postEphemeral": ChatPostEphemeralArguments;
  "chat.update": ChatUpdateArguments;
  "views.open": ViewsOpenArguments;
  "views.publish": ViewsPublishArguments;
  "views.update": ViewsUpdateArguments;
  "conversations.info": ConversationsInfoArguments;
  "conversations.open": ConversationsOpenArguments;
  "files.getUploadURLExternal": FilesGetUploadURLExternalArguments;
  "files.completeUploadExternal": FilesCompleteUploadExternalArguments;
  "users.info": UsersInfoArguments;
}

// WhatsApp sends coordinates as numbers, and no fixed address of an image; errors are of one form.
type Corrected<T> = T extends { type: "location" }
  ? Omit<T, "location"> & { location: { latitude: number; longitude: number; name?: string; address?: string; url?: string } }
  : T extends { type: "image" }
    ? Omit<T, "image"> & { image: Omit<T["image" & keyof T], "static_url"> }
    : T extends { type: "unknown" | "unsupported" }
      ? Omit<T, "errors"> & { errors: ServerError[] }
      : T;
type Value = PostData["entry"][number]["changes"][number]["value"] & { messaging_product: "whatsapp" };
// What leaves as a message is a class in the library; these are the parts of it that are sent.
type Addressed = Pick<ClientMessageRequest, "messaging_product" | "to" | "recipient" | "recipient_type" | "context" | "biz_opaque_callback_data">;
type Interactive =
  | { type: "button"; body: Body; action: Pick<ActionButtons, "buttons"> }
  | { type: "list"; body: Body; action: Pick<ActionList, "button" | "sections"> };
interface BodyOfTemplate {
  type: "body";
  parameters: { type: "text"; text: string; parameter_name?: string }[];
}

export interface whatsapp {
  webhook: Omit<PostData, "entry"> & {
    entry: {
      id: string;
      changes: {
        field: "messages";
        value: Pick<Value, "messaging_product" | "metadata"> & {
          contacts?: ServerContacts[];
          messages?: Corrected<ServerMessage>[];
          statuses?: ServerStatusPayload[];
        };
      }[];
    }[];
  };
  messages:
    | (Addressed & { type: "text"; text: Text })
    | (Addressed & { type: "image"; image: Image })
    | (Addressed & { type: "audio"; audio: Audio })
    | (Addressed & { type: "video"; video: Video })
    | (Addressed & { type: "document"; document: Document })
    | (Addressed & { type: "reaction"; reaction: Reaction })
    | (Addressed & { type: "interactive"; interactive: Interactive })
    | (Addressed & {
        type: "template";
        template: { name: string; language: { code: string; policy?: "deterministic" }; components?: BodyOfTemplate[] };
      })
    | { messaging_product: "whatsapp"; status: "read"; message_id: string; typing_indicator?: { type: "text" } };
}
