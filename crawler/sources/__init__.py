"""Where repos come from. Each hub is a package here that implements `crawler.sources.source.Source`:

huggingface   the Hugging Face Hub, and mirrors and sample Hubs that speak its API: HuggingFaceSource(HubClient())
"""
