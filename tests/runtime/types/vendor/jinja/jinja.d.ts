export * from "@huggingface/jinja";
